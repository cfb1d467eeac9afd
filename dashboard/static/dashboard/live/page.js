// What every live page has: the store, the connection and what is said about it, keys, and the map that is asked for anew
// when an instance was published or moved.

import { call } from "./ask.js";
import { data, h, write } from "./dom.js";
import { Link } from "./link.js";
import { Store } from "./store.js";

const MAP_EVENTS = new Set(["applied", "reverted", "confirmed", "node_up", "paused", "resumed"]);
const MAP_WAIT_MS = 800;

export function boot() {
  const given = data("live-data");
  const store = new Store(given.map);
  const link = new Link(given.socket);
  link.expects = () => Object.values(store.tree.nodes).some((node) => node.connected);
  link.addEventListener("message", ({ detail }) => {
    if (detail.type === "full" || detail.type === "patch") store.take(detail);
    else if (detail.type === "events") store.takeEvents(detail.events);
  });
  told(link);
  const renew = renewMap(store, given.map_link);
  setInterval(() => store.dispatchEvent(new Event("second")), 1000);
  link.start();
  return { given, store, link, renew };
}

// The one line about the connection: there while it is not.
function told(link) {
  const words = h("span");
  const bar = h("div", { class: "x-gone", role: "status", hidden: true }, words);
  (document.querySelector("[data-live-bar]") || document.body).prepend(bar);
  let timer = 0;
  link.addEventListener("state", ({ detail }) => {
    clearTimeout(timer);
    if (detail.state === "open") bar.hidden = true;
    else if (detail.state === "out") {
      bar.hidden = false;
      bar.replaceChildren(h("span", {}, "You are logged out. "), h("a", { class: "x-link", href: location.href }, "Log in again"));
    } else {
      timer = setTimeout(() => { bar.hidden = false; }, detail.tries > 1 ? 0 : 400);      // a restart of half a second is nobody's business
      write(words, "Connection to the panel lost, trying again. What you see is how it was.");
    }
    document.body.classList.toggle("x-disconnected", detail.state !== "open");
  });
}

function renewMap(store, address) {
  let timer = 0;
  const renew = async () => {
    timer = 0;
    const map = await call("GET", address).catch(() => null);
    if (map && JSON.stringify(map) !== JSON.stringify(store.map)) {
      store.useMap(map);
      store.dispatchEvent(new Event("map"));
    }
  };
  store.addEventListener("events", ({ detail }) => {
    if (!timer && detail.some((event) => MAP_EVENTS.has(event.kind))) timer = setTimeout(renew, MAP_WAIT_MS);
  });
  return renew;
}

const KEYS = [["/", "filter"], ["g o", "overview"], ["g i", "instances"], ["g n", "nodes"], ["Esc", "close what is open"], ["?", "this list"]];

// `links`: by the second letter, after g.
export function keys(links) {
  let went = 0;
  const help = h("dialog", { class: "x-dialog", "aria-label": "keys" },
    h("h2", {}, "Keys"),
    h("dl", { class: "x-facts" }, KEYS.flatMap(([key, words]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, words)])),
    h("form", { method: "dialog", class: "x-row x-below" }, h("button", { class: "x-button" }, "Close")));
  document.body.append(help);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.key === "?") help.showModal();
    else if (event.key === "/") {
      const field = document.querySelector("[data-filter]:not([hidden])");
      if (!field) return;
      event.preventDefault();
      field.focus();
      field.select();
    } else if (event.key === "g") went = event.timeStamp;
    else if (went && event.timeStamp - went < 1500 && links[event.key]) location.assign(links[event.key]);
    if (event.key !== "g") went = 0;
  });
  document.querySelectorAll("[data-keys]").forEach((button) => button.addEventListener("click", () => help.showModal()));
}

function isTyping(element) {
  return element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);
}

// Asks before something is cut. Resolves to what the chosen button returns: [{ words, value, danger }]; null: nothing.
export function choose(title, text, buttons, extra = null) {
  return new Promise((resolve) => {
    let chosen = null;
    const dialog = h("dialog", { class: "x-dialog", "aria-label": title },
      h("h2", {}, title), text ? h("p", {}, text) : null, extra,
      h("div", { class: "x-row x-below" },
        buttons.map((one) => h("button", {
          type: "button", class: `x-button${one.danger ? " x-danger" : ""}`,
          onclick: () => { chosen = one.value; dialog.close(); },
        }, one.words)),
        h("button", { type: "button", class: "x-button", onclick: () => dialog.close() }, "Cancel")));
    dialog.addEventListener("close", () => { dialog.remove(); resolve(chosen); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// A sentence at the bottom that goes by itself.
export function toast(text, health = "good") {
  let place = document.querySelector(".x-toasts");
  if (!place) document.body.append((place = h("div", { class: "x-toasts", role: "status", "aria-live": "polite" })));
  const note = h("p", { class: `x-note x-${health}` }, text);
  place.append(note);
  setTimeout(() => note.remove(), 6000);
}
