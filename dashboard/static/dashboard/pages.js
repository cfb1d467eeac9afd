// Copying, dropping files, sketching: everything works without it, too.
"use strict";

function say(button, words) {
  const before = button.dataset.words || button.textContent;
  button.dataset.words = before;
  button.textContent = words;
  setTimeout(() => { button.textContent = before; }, 1500);
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    say(button, "Copied");
  } catch {
    const area = document.createElement("textarea");     // pages that are not on a secure origin
    area.value = text;
    document.body.append(area);
    area.select();
    say(button, document.execCommand("copy") ? "Copied" : "Select and copy it");
    area.remove();
  }
}

// Line numbers are drawn, not written: the text of a code view is the cells of its second column.
function textOf(element) {
  const rows = element.querySelectorAll("tr:not(.x-here) td:last-child, tr.x-here[id] td:last-child");
  return rows.length ? Array.from(rows, (cell) => cell.textContent).join("\n") + "\n" : element.textContent;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy-from], [data-copy]");
  if (!button) return;
  const from = button.dataset.copyFrom;
  copy(button, from ? textOf(document.getElementById(from)) : button.dataset.copy);
});

document.querySelectorAll("[data-drop-into]").forEach((place) => {
  const area = document.getElementById(place.dataset.dropInto);
  const input = place.querySelector("input[type=file]");
  const take = async (file) => { if (file) area.value = await file.text(); };
  for (const name of ["dragover", "dragleave", "drop"]) {
    place.addEventListener(name, (event) => {
      event.preventDefault();
      place.classList.toggle("x-over", name === "dragover");
      if (name === "drop") take(event.dataTransfer.files[0]);
    });
  }
  if (!input) return;
  const takeChosen = () => take(input.files[0]).then(() => { input.value = ""; });
  input.addEventListener("change", takeChosen);
  if (input.files.length) takeChosen();       // chosen before this ran
});

document.querySelectorAll("form[data-sketched]").forEach((form) => {
  const draw = () => form.querySelectorAll("[data-sketch]").forEach((place) => {
    const field = form.elements[place.dataset.sketch];
    place.textContent = field.selectedOptions ? field.selectedOptions[0]?.text ?? "" : field.value || field.placeholder || "…";
  });
  form.addEventListener("input", draw);
  draw();
});

document.querySelectorAll(".x-tabs").forEach((bar) => {        // the current tab is in sight on a phone, too
  const current = bar.querySelector("[aria-current]");
  if (current) bar.scrollLeft = current.offsetLeft - bar.offsetLeft - (bar.clientWidth - current.clientWidth) / 2;
});

document.querySelectorAll("textarea[data-line]").forEach((area) => {    // to the line that a finding is about
  const before = area.value.split("\n").slice(0, area.dataset.line - 1);
  const start = before.join("\n").length + (before.length ? 1 : 0);
  const end = area.value.indexOf("\n", start);
  area.focus({ preventScroll: true });
  area.setSelectionRange(start, end < 0 ? area.value.length : end);
  area.scrollTop = Math.max(0, before.length - 4) * parseFloat(getComputedStyle(area).lineHeight);
});
