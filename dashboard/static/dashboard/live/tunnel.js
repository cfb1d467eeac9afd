// The page of one tunnel. Its tabs are addresses of their own; each shows what its places ask for.

import { NextCarrier } from "./candidates.js";
import { Carriers } from "./carriers.js";
import { Chart } from "./chart.js";
import { Diagnose } from "./diagnose.js";
import { classes, keyed, set, write } from "./dom.js";
import { eventRow, newest } from "./event_row.js";
import { clock, count, many, rate, span } from "./format.js";
import { History } from "./history.js";
import { MARKS } from "./lane_view.js";
import { boot, keys } from "./page.js";
import { Pause } from "./pause.js";
import { Blocked, Sessions } from "./sessions.js";
import { judgeLane } from "./words.js";

const { given, store, link, renew } = boot();
const { tunnel } = given;
const byId = (id) => document.getElementById(id);
const place = store.places.get(tunnel.instance);
const parts = [];

keys(given.keys);

if (byId("live-chart")) {
  const chart = new Chart(byId("live-chart"), { label: "Throughput of this tunnel in the last two minutes", length: 120 });
  parts.push(() => chart.update(store.line(tunnel.instance, tunnel.tag), store.now()));
}
if (byId("live-carriers")) {
  const carriers = new Carriers(byId("live-carriers"), store);
  parts.push((state) => carriers.update(state));
}
if (byId("live-next")) new NextCarrier(byId("live-next"), tunnel);
if (byId("live-sessions")) {
  const sessions = new Sessions(byId("live-sessions"), store, tunnel, { mayAct: given.may_act });
  link.addEventListener("message", ({ detail }) => {
    if (detail.type === "sessions") sessions.take(detail);
    else if (detail.type === "error") sessions.fail(detail.text);
  });
  link.watch({ sessions: { instance: tunnel.instance, tunnel: tunnel.tag, kind: tunnel.kind } });
  const blocked = new Blocked(byId("live-blocked"), store, tunnel.instance, { mayAct: given.may_act });
  parts.push(() => blocked.update());
}
if (byId("live-history")) new History(byId("live-history"), tunnel);
if (byId("live-events")) {
  let events = given.events || [];
  const show = () => {
    keyed(byId("live-events"), events, (event) => event.id, (event) => eventRow(event, store), null);
    byId("live-no-events").hidden = events.length > 0;
  };
  store.addEventListener("events", ({ detail }) => {
    const mine = detail.filter((event) => event.instance === tunnel.instance && (!event.tag || event.tag === tunnel.tag));
    events = newest(events, mine, 200);
    show();
  });
  show();
}

const diagnose = new Diagnose(byId("live-diagnosis"), tunnel);
byId("diagnose")?.addEventListener("click", () => diagnose.run());
if (new URLSearchParams(location.search).has("diagnose")) diagnose.run();

const myLane = () => store.map.lanes.find((one) => one.key === given.lane);
const pause = new Pause(byId("pause"), byId("paused"), store, myLane, renew);
parts.push(() => pause.update());

const facts = Object.fromEntries([...document.querySelectorAll("[data-fact]")].map((element) => [element.dataset.fact, element]));
function writeFacts(state) {
  const lane = myLane();
  const judged = lane ? judgeLane(store, lane) : { health: "unknown", words: "not known", why: "" };
  classes(facts.health, `x-badge x-${judged.health}`);
  write(facts.health, `${MARKS[judged.health]} ${judged.words}`);
  const why = judged.why && judged.health !== "good" ? judged.why : "";
  facts.why.hidden = !why;
  classes(facts.why, `x-note x-why x-${judged.health}`);
  write(facts.why, why);
  const carriers = Object.values(state?.carriers || {});
  const since = Math.min(...carriers.map((carrier) => carrier.since));
  const cores = [...new Set(carriers.map((carrier) => carrier.core).filter(Boolean))].join(", ");
  const dialects = [...new Set(carriers.map((carrier) => carrier.dialect).filter(Boolean))].join(", ");
  write(facts.core, cores || (lane?.core ? `${lane.core}, as it was made for` : "not known"));
  write(facts.dialect, dialects || "not known");
  write(facts.since, carriers.length ? `${clock(since)}, for ${span(store.now() - since)}` : state?.last_seen ? `not connected; last ${clock(state.last_seen)}` : "never yet");
  const worker = store.worker(tunnel.instance);
  write(facts.revision, worker?.revision ? `${worker.revision}${place?.number > worker.revision ? `, the newest is ${place.number}` : ""}` : "none");
  const [up, down, opened] = store.rates(`${tunnel.kind}s`, tunnel.instance, tunnel.tag);
  write(facts.down, rate(down));
  write(facts.up, rate(up));
  write(facts.sessions, `${many(state?.sessions || 0, "session")}, ${count(state?.opened || 0)} ever, ${opened.toFixed(1)}/s new`);
  const isStale = place && store.isKnown && store.isStale(place.node);
  set(document.querySelector("[data-stale]"), "data-stale", isStale ? "yes" : "");
  const age = place ? store.age(place.node) : Infinity;
  write(facts.age, isStale ? (age === Infinity ? "Its node was never heard of." : `As it was ${span(age)} ago: its node is not heard of.`) : "");
}

function update() {
  const state = store.end(tunnel.instance, tunnel.kind, tunnel.tag);
  writeFacts(state);
  for (const part of parts) part(state);
}

store.addEventListener("change", update);
store.addEventListener("second", () => { if (store.now() - store.at > 1.5) update(); });
store.addEventListener("map", update);
update();
