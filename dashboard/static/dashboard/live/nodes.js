// All nodes, a line each: is it there, what does it run on, how busy is it, what runs there.

import { classes, h, keyed, set, write } from "./dom.js";
import { bytes, count, percent, rate, span } from "./format.js";
import { MARKS } from "./lane_view.js";
import { laneRates } from "./map.js";
import { boot, keys } from "./page.js";
import { judgeInstance, judgeLane, judgeNode } from "./words.js";

const COLUMNS = ["node", "state", "version", "clock", "CPU", "memory", "instances", "tunnels", "moves"];

const { given, store } = boot();
const byId = (id) => document.getElementById(id);
keys(given.keys);

const body = h("tbody");
byId("live-nodes").replaceChildren(h("table", { class: "x-table x-folds x-process" }, h("thead", {}, h("tr", {}, COLUMNS.map((column) => h("th", {}, column)))), body));
const spoken = byId("live-nodes-spoken");
const filter = byId("node-filter");
filter.addEventListener("input", update);

export function skewWords(skew) {
  if (skew === undefined) return "–";
  return Math.abs(skew) < 0.5 ? "right" : `${skew > 0 ? "ahead" : "behind"} by ${span(Math.abs(skew))}`;
}

function update() {
  const words = filter.value.trim().toLowerCase();      // typed before this ran, too
  const listed = [...store.nodes.values()].filter((node) => `${node.name} ${node.address}`.toLowerCase().includes(words));
  keyed(body, listed, (node) => node.pk, make, refresh);
  byId("live-no-nodes").hidden = listed.length > 0;
  const gone = listed.filter((node) => judgeNode(store, node.pk).health === "bad").length;
  write(spoken, store.isKnown ? (gone ? `${count(gone)} of ${count(listed.length)} nodes are gone` : `${count(listed.length)} nodes, none is gone`) : "");
}

function make(node) {
  const cells = COLUMNS.map((column) => h("td", { "data-name": column }));
  cells[0].append(node.link ? h("a", { href: node.link }, node.name) : node.name, h("div", { class: "x-quiet x-small" }));
  cells[1].append(h("span", { class: "x-badge" }));
  return h("tr", {}, cells);
}

function refresh(row, node) {
  const state = store.node(node.pk);
  const host = state?.host || {};
  const judged = judgeNode(store, node.pk);
  const places = [...store.places.values()].filter((place) => place.node === node.pk && place.enabled && place.number);
  const running = places.filter((place) => judgeInstance(store, place.pk).health === "good").length;
  const lanes = store.map.lanes.filter((lane) => store.places.get(lane.place)?.node === node.pk);
  const healths = lanes.map((lane) => judgeLane(store, lane).health);
  const [up, wanted] = [healths.filter((one) => one === "good").length, healths.filter((one) => one !== "off").length];
  const down = lanes.reduce((sum, lane) => sum + laneRates(store, lane)[1], 0);
  const isStale = state && store.isStale(node.pk);
  write(row.children[0].lastChild, [node.address, isStale ? `heard of ${span(store.age(node.pk))} ago` : ""].filter(Boolean).join(", "));
  classes(row.children[1].firstChild, `x-badge x-${judged.health}`);
  write(row.children[1].firstChild, `${MARKS[judged.health]} ${judged.words}`);
  const cells = [
    host.version || node.version || "–", skewWords(host.clock_skew_s), host.cpu === undefined ? "–" : percent(host.cpu),
    host.memory ? `${bytes(host.memory)} of ${bytes(host.memory_total)}` : "–", `${count(running)} of ${count(places.length)}`,
    `${count(up)} of ${count(wanted)} up`, `↓ ${rate(down)}`,
  ];
  cells.forEach((text, index) => write(row.children[index + 2], text));
  classes(row, isStale ? "x-stale" : "");
  set(row, "data-health", judged.health);
}

store.addEventListener("change", update);
store.addEventListener("second", () => { if (store.now() - store.at > 1.5) update(); });
store.addEventListener("map", update);
update();
