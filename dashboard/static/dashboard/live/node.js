// One node: its host and its agent, what may be done with it, what runs there, what happened.

import { Refused, call } from "./ask.js";
import { classes, h, keyed, write } from "./dom.js";
import { eventRow, newest } from "./event_row.js";
import { bytes, clock, many, percent, span } from "./format.js";
import { MARKS } from "./lane_view.js";
import { boot, choose, keys, toast } from "./page.js";
import { judgeInstance, judgeNode, sentence } from "./words.js";

const { given, store } = boot();
const { node } = given;
const byId = (id) => document.getElementById(id);
keys(given.keys);

const badge = h("span", { class: "x-badge", role: "status" });
const age = h("span", { class: "x-quiet x-small" });
const facts = h("dl", { class: "x-facts x-process" });
const orders = h("div", { class: "x-row x-below" });
byId("live-node").replaceChildren(h("div", { class: "x-row x-apart" }, h("h2", {}, "Now"), h("span", { class: "x-row" }, age, badge)), facts, orders);

const ORDERS = {
  approve: { words: "Approve", main: true, when: ["waiting"] },
  pause: { words: "Pause", when: ["approved"], asks: "All that runs there is stopped until it is resumed" },
  resume: { words: "Resume", main: true, when: ["paused"] },
  revoke: { words: "Revoke", danger: true, when: ["waiting", "approved", "paused"], asks: "Its identity is good for nothing any more, and all that runs there is stopped. It comes back by joining again" },
};

const standing = () => store.node(node)?.standing ?? store.nodes.get(node)?.standing;

async function order(name) {
  const { words, asks, danger } = ORDERS[name];
  if (asks) {
    const workers = Object.values(store.node(node)?.workers || {});
    const sessions = workers.reduce((sum, worker) => sum + (worker.sessions || 0), 0);
    const cut = `${asks}: ${many(workers.length, "process", "processes")} with ${many(sessions, "session")}.`;
    if (!(await choose(`${words} ${store.nodes.get(node)?.name}`, cut, [{ words, value: true, danger }]))) return;
  }
  try {
    const answer = await call("POST", `/api/v1/nodes/${node}/${name}/`);
    const meta = store.nodes.get(node);
    if (meta) meta.standing = answer.state ?? meta.standing;
    const live = store.node(node);
    if (live) live.standing = answer.state ?? live.standing;
    toast("Done.");
    update();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    toast(sentence(error.message), "bad");
  }
}

function rows(state) {
  const host = state?.host || {};
  const skew = host.clock_skew_s;
  return [
    ["Agent", host.version ? `${host.version}, up for ${span(store.now() - host.since)}` : given.version],
    ["Host", given.host], ["System", given.system],
    ["CPU", host.cpu === undefined ? "" : `${percent(host.cpu)}, load ${(host.load || 0).toFixed(2)}`],
    ["Memory", host.memory ? `${bytes(host.memory)} of ${bytes(host.memory_total)}` : ""],
    ["Clock", skew === undefined ? "" : Math.abs(skew) < 0.5 ? "right" : `${skew > 0 ? "ahead" : "behind"} by ${span(Math.abs(skew))}`],
    ["Heard of", state?.seen ? (store.isStale(node) ? `${span(store.age(node))} ago, ${clock(state.seen, { seconds: true })}` : "now") : given.seen ? clock(given.seen) : "never"],
    ["Comes from", given.seen_from], ["Joined", given.joined ? `${clock(given.joined)}${given.joined_from ? ` from ${given.joined_from}` : ""}` : ""],
    ["Warning", given.twice],
  ].filter(([, value]) => value);
}

function update() {
  const state = store.node(node);
  const judged = judgeNode(store, node);
  classes(badge, `x-badge x-${judged.health}`);
  write(badge, `${MARKS[judged.health]} ${judged.words}`);
  const isStale = state && store.isStale(node);
  facts.classList.toggle("x-stale", Boolean(isStale));
  write(age, isStale ? `as of ${span(store.age(node))} ago` : "");
  const items = rows(state).flatMap(([name, value]) => [{ key: `t${name}`, tag: "dt", text: name }, { key: `d${name}`, tag: "dd", text: value }]);
  keyed(facts, items, (item) => item.key, (item) => h(item.tag), (element, item) => write(element, item.text));
  const may = given.may_approve ? Object.keys(ORDERS).filter((name) => ORDERS[name].when.includes(standing())) : [];
  keyed(orders, may, (name) => name, (name) => h("button", { type: "button", class: `x-button${ORDERS[name].main ? " x-main" : ""}`, onclick: () => order(name) }, ORDERS[name].words));
  const places = [...store.places.values()].filter((place) => place.node === node);
  keyed(byId("live-places"), places, (place) => place.pk, (place) => h("li", { class: "x-row x-apart" }, h("a", { href: place.link }, place.name),
    h("span", { class: "x-row" }, h("span", { class: "x-quiet x-number" }), h("span", { class: "x-badge" }))), (element, place) => {
    const one = judgeInstance(store, place.pk);
    const worker = store.worker(place.pk);
    write(element.lastChild.firstChild, worker?.pid ? `${many(worker.sessions || 0, "session")}, ${percent(worker.cpu)}, ${bytes(worker.memory)}` : "");
    classes(element.lastChild.lastChild, `x-badge x-${one.health}`);
    write(element.lastChild.lastChild, `${MARKS[one.health]} ${one.words}`);
  });
  byId("live-no-places").hidden = places.length > 0;
}

let events = given.events;
function showEvents() {
  keyed(byId("live-events"), events, (event) => event.id, (event) => eventRow(event, store), null);
  byId("live-no-events").hidden = events.length > 0;
}
store.addEventListener("events", ({ detail }) => {
  events = newest(events, detail.filter((event) => event.node === node), 30);
  showEvents();
});

store.addEventListener("change", update);
store.addEventListener("second", () => { if (store.now() - store.at > 1.5) update(); });
store.addEventListener("map", update);
showEvents();
update();
