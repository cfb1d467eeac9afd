// A list that is put in order by dragging rows or by their buttons, and sent as a whole.
"use strict";

const list = document.getElementById("order");
const sent = document.getElementById("order-sent");
const save = document.getElementById("order-save");
const said = document.getElementById("order-said");
let dragged = null;

function note(row) {
  const rows = Array.from(list.children);
  sent.value = rows.map((one) => one.dataset.pk).join(",");
  save.disabled = false;
  said.textContent = `${row.querySelector("a").textContent} is number ${rows.indexOf(row) + 1} now, not saved yet`;
}

if (list && sent) {
  list.classList.add("x-js");           // before, there is nothing to take hold of
  for (const row of list.children) row.draggable = true;
  list.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("li");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.pk);
    dragged.classList.add("x-dragged");
  });
  list.addEventListener("dragover", (event) => {
    const over = event.target.closest("li");
    if (!dragged) return;
    event.preventDefault();
    if (!over || over === dragged) return;
    const box = over.getBoundingClientRect();
    list.insertBefore(dragged, event.clientY < box.top + box.height / 2 ? over : over.nextSibling);
  });
  list.addEventListener("drop", (event) => event.preventDefault());
  list.addEventListener("dragend", () => {
    if (!dragged) return;
    dragged.classList.remove("x-dragged");
    note(dragged);
    dragged = null;
  });
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-move]");
    if (!button) return;
    const row = button.closest("li");
    const other = button.dataset.move === "-1" ? row.previousElementSibling : row.nextElementSibling;
    if (!other) return;
    list.insertBefore(row, button.dataset.move === "-1" ? other : other.nextSibling);
    button.focus();
    note(row);
  });
}
