// The page of an entry: groups that follow a choice, fresh ids and passwords. Saving works without it, too.
"use strict";

function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));      // pages that are not on a secure origin
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}

function password() {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_");
}

document.addEventListener("click", (event) => {
  const maker = event.target.closest("[data-makes]");
  if (maker) document.getElementById(maker.dataset.into).value = maker.dataset.makes === "uuid" ? uuid() : password();
  const copier = event.target.closest("[data-copy-value]");
  if (copier) copy(copier, document.getElementById(copier.dataset.copyValue).value);      // of pages.js
});

document.querySelectorAll("form.x-entry").forEach((form) => {
  form.classList.add("x-js");
  const follow = () => form.querySelectorAll("[data-shown-if]").forEach((group) => {
    const field = form.elements[group.dataset.shownIf];
    if (field) group.hidden = (field.value || field.options[0].text.replace(/^default \((.*)\)$/, "$1")) !== group.dataset.shownValue;
  });
  form.addEventListener("change", (event) => {
    follow();
    const wanted = event.target.dataset.submits;
    if (wanted) form.requestSubmit(form.querySelector(`button[name=do][value=${wanted}]`));
  });
  follow();
});

const wanted = document.getElementById("wanted") || document.querySelector(".x-entry .x-error")?.closest(".x-field");
if (wanted) {
  wanted.scrollIntoView({ block: "center" });
  wanted.querySelector("input, select, textarea")?.focus({ preventScroll: true });
}
