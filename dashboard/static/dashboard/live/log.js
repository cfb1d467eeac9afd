// The log of one instance, as it is written: by level, with a search, following its end while that is in sight.

import { h, write } from "./dom.js";
import { clock, count } from "./format.js";
import { boot, keys } from "./page.js";

const MAX_LINES = 2000;
const REMEMBERED = 600;             // lines by which those are known that come again after a lost connection
const LEVELS = ["debug", "info", "warning", "error"];

const { given, link } = boot();
const { instance } = given;
const byId = (id) => document.getElementById(id);
const list = byId("live-log");
const note = byId("live-log-note");
const level = byId("log-level");
const search = byId("log-search");
const follow = byId("log-follow");
const known = new Set();

keys(given.keys);

function rank(name) {
  const found = LEVELS.indexOf(name.toLowerCase());
  if (found >= 0) return found;
  return /crit|fatal|panic/i.test(name) ? 3 : /warn/i.test(name) ? 2 : 1;
}

function fits(line) {
  return rank(line.level) >= LEVELS.indexOf(level.value) && line.words.every((word) => line.text.includes(word));
}

function add(lines) {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const made = lines.filter(isNew).map(([at, name, text]) => {
    const element = h("div", { class: `x-log-line x-log-${LEVELS[rank(name)]}` },
      h("time", {}, clock(at, { seconds: true })), h("span", { class: "x-log-level" }, name.toLowerCase()), h("span", {}, text));
    Object.assign(element, { level: name, text: `${text} ${name}`.toLowerCase() });
    element.hidden = !fits({ level: name, text: element.text, words });
    return element;
  });
  list.append(...made);
  while (list.childElementCount > MAX_LINES) list.firstElementChild.remove();
  tell();
}

function isNew([at, , text]) {
  const key = `${at} ${text}`;
  if (known.has(key)) return false;
  known.add(key);
  if (known.size > REMEMBERED) known.delete(known.values().next().value);
  return true;
}

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const line of list.children) line.hidden = !fits({ level: line.level, text: line.text, words });
  tell();
}

function tell() {
  const shown = [...list.children].filter((line) => !line.hidden).length;
  write(note, !list.childElementCount ? "Nothing was logged yet." : `${count(shown)} of ${count(list.childElementCount)} lines`);
  if (follow.checked) list.scrollTop = list.scrollHeight;
}

level.addEventListener("change", filter);
search.addEventListener("input", filter);
follow.addEventListener("change", tell);
list.addEventListener("scroll", () => {
  const isAtEnd = list.scrollTop + list.clientHeight > list.scrollHeight - 40;
  if (!isAtEnd && list.matches(":hover")) follow.checked = false;
});
link.addEventListener("message", ({ detail }) => {
  if (detail.type === "log" && detail.instance === instance) add(detail.lines);
  else if (detail.type === "error") write(note, detail.text);
});
link.watch({ log: instance });
