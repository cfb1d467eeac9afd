// The process of one instance: what it costs, which revision it runs, and what may be done with it; its tunnels.

import { Refused, ask, call } from "./ask.js";
import { classes, h, keyed, write } from "./dom.js";
import { bytes, clock, count, many, percent, rate, span } from "./format.js";
import { MARKS } from "./lane_view.js";
import { laneRates } from "./map.js";
import { boot, choose, keys, toast } from "./page.js";
import { judgeInstance, judgeLane, sentence } from "./words.js";

const { given, store } = boot();
const { instance, links, may_act: mayAct } = given;
const byId = (id) => document.getElementById(id);

keys(given.keys);

const badge = h("span", { class: "x-badge", role: "status" });
const age = h("span", { class: "x-quiet x-small" });
const why = h("p", { class: "x-note", hidden: true });
const facts = h("dl", { class: "x-facts x-process" });
const probation = h("div", { class: "x-note x-warn x-row x-apart", hidden: true });
const probationWords = h("span");
const buttons = h("div", { class: "x-row x-below" });

const button = (words, run, look = "") => h("button", { type: "button", class: `x-button${look}`, onclick: run }, words);
probation.append(probationWords, h("span", { class: "x-row" },
  mayAct ? button("Keep it", confirm, " x-main") : null, mayAct && links.revisions ? h("a", { class: "x-button", href: links.revisions }, "Roll back") : null));
const restartButton = mayAct ? button("Restart", restart) : null;
buttons.append(...[
  mayAct && links.publish ? h("a", { class: "x-button", href: links.publish, hidden: !given.is_unpublished }, "Review & publish") : null,
  links.revisions ? h("a", { class: "x-button", href: links.revisions }, mayAct ? "Revisions and roll back" : "Revisions") : null,
  links.log ? h("a", { class: "x-button", href: links.log }, "Log") : null, restartButton,
].filter(Boolean));
byId("live-process").replaceChildren(h("div", { class: "x-row x-apart" }, h("h2", {}, "Process"), h("span", { class: "x-row" }, age, badge)), why, probation, facts, buttons);

function rows(worker) {
  if (!worker) return [["Newest revision", given.number ? count(given.number) : "never published"]];
  const isBehind = given.number && worker.revision && worker.revision !== given.number;
  return [
    ["Process", worker.pid ? `${worker.pid}, up for ${span(store.now() - worker.since)}` : "none"],
    ["CPU", worker.cpu === undefined ? "" : `${percent(worker.cpu)} of a core`],
    ["Memory", worker.memory ? bytes(worker.memory) : ""],
    ["Open files", worker.descriptors ? count(worker.descriptors) : ""],
    ["Loop is late by", worker.lag_ms === undefined ? "" : `${worker.lag_ms.toFixed(1)} ms`],
    ["Restarts", worker.restarts ? count(worker.restarts) : "none"],
    ["Last end", worker.last_exit || ""],
    ["Revision", `${worker.revision ? `${worker.revision} runs` : "none runs"}${isBehind ? `, the newest is ${given.number}` : given.number ? ", the newest" : ""}`],
    ["Sessions", `${count(worker.sessions)}, ${many(worker.connections || 0, "connection")} ever`],
    ["Refused", refusals(worker.refusals)],
  ].filter(([, value]) => value !== "");
}

function refusals(counts) {
  const found = Object.entries(counts || {}).filter(([, number]) => number).sort((one, other) => other[1] - one[1]);
  return found.slice(0, 4).map(([reason, number]) => `${count(number)} ${reason.replaceAll("_", " ")}`).join(", ");
}

function update() {
  const worker = store.worker(instance);
  const judged = judgeInstance(store, instance);
  const place = store.places.get(instance);
  classes(badge, `x-badge x-${judged.health}`);
  write(badge, `${MARKS[judged.health]} ${judged.words}`);
  const isStale = place && store.isKnown && store.isStale(place.node) && worker;
  write(age, isStale ? `as of ${span(store.age(place.node))} ago` : "");
  facts.classList.toggle("x-stale", Boolean(isStale));
  why.hidden = !judged.why || Boolean(worker?.pending);
  classes(why, `x-note x-${judged.health}`);
  write(why, judged.why);
  probation.hidden = !worker?.pending;
  if (worker?.pending) {
    const asks = given.needs_confirm === worker.pending ? "It goes back by itself unless somebody keeps it." : "It goes back by itself if its tunnels do not come back.";
    write(probationWords, `Revision ${worker.pending} is on probation: it has ${span((worker.confirm_until || 0) - store.now())} to prove itself. ${asks}`);
  }
  if (restartButton) restartButton.hidden = !worker;
  const items = rows(worker).flatMap(([name, value]) => [{ key: `t${name}`, tag: "dt", text: name }, { key: `d${name}`, tag: "dd", text: value }]);
  keyed(facts, items, (item) => item.key, (item) => h(item.tag), (element, item) => write(element, item.text));
  writeTunnels();
}

function writeTunnels() {
  const lanes = store.map.lanes.filter((lane) => lane.place === instance || lane.bridges.some((bridge) => bridge.place === instance));
  byId("live-tunnels").parentElement.hidden = lanes.length === 0;
  keyed(byId("live-tunnels"), lanes, (lane) => lane.key, (lane) => h("li", { class: "x-row x-apart" },
    h("a", { href: lane.link }, lane.service || lane.name), h("span", { class: "x-row" }, h("span", { class: "x-quiet x-number" }), h("span", { class: "x-badge" }))),
  (element, lane) => {
    const judged = judgeLane(store, lane);
    const [up, down] = laneRates(store, lane);
    write(element.lastChild.firstChild, `↓ ${rate(down)}  ↑ ${rate(up)}`);
    classes(element.lastChild.lastChild, `x-badge x-${judged.health}`);
    write(element.lastChild.lastChild, `${MARKS[judged.health]} ${judged.words}`);
  });
}

async function confirm() {
  const number = store.worker(instance)?.pending;
  await attempt(async () => {
    await call("POST", `/api/v1/instances/${instance}/confirm/`, number ? { revision: number } : {});
    toast(`Revision ${number} stays.`);
  });
}

async function restart() {
  const worker = store.worker(instance);
  const cut = worker?.sessions ? `${many(worker.sessions, "session")} and all its carriers are cut.` : "Its carriers are cut; no session is open.";
  const chosen = await choose("Restart the process", `${cut} Bridges come back by themselves.`, [{ words: "Restart", value: true, danger: true }]);
  if (!chosen) return;
  await attempt(async () => {
    await ask(instance, "restart");
    toast(`It was told so at ${clock(Date.now() / 1000, { seconds: true })}.`);
  });
}

async function attempt(run) {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    toast(sentence(error.message), "bad");
  }
}

store.addEventListener("change", update);
store.addEventListener("second", update);
store.addEventListener("map", () => {
  given.number = store.places.get(instance)?.number ?? given.number;
  update();
});
update();
