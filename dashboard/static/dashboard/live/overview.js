// The first page: what is wrong, what moves, and the map.

import { Chart } from "./chart.js";
import { Detail } from "./detail.js";
import { keyed, write } from "./dom.js";
import { eventRow, newest } from "./event_row.js";
import { count, perSecond, rate } from "./format.js";
import { LastHour } from "./lately.js";
import { LiveMap, laneLine, laneRates, laneState } from "./map.js";
import { boot, keys } from "./page.js";
import { ProblemList } from "./problems.js";
import { judgeLane } from "./words.js";

const MAX_EVENTS = 12;
const ERROR_KINDS = new Set(["worker_died", "crash_loop", "refused_document", "reverted", "tunnel_down", "refused", "stalled", "node_down", "node_twice"]);

const { given, store } = boot();
const byId = (id) => document.getElementById(id);
const problems = new ProblemList(byId("live-problems"), store, { unsettled: given.unsettled });
const chart = new Chart(byId("live-chart"), { label: "Throughput of all tunnels in the last two minutes", length: 120 });
const detail = new Detail(byId("live-detail"), store);
const map = new LiveMap(byId("live-map"), store, (...chosen) => detail.open(...chosen));
const totals = Object.fromEntries([...document.querySelectorAll("[data-total]")].map((element) => [element.dataset.total, element]));
const errors = new LastHour(given.errors);
const counted = new Set();

keys(given.keys);
byId("map-filter").addEventListener("input", (event) => map.filter(event.target.value));
map.filter(byId("map-filter").value);       // typed before this ran

function update() {
  problems.update();
  writeTotals();
  map.update();
  detail.update();
  chart.update(allLines(), store.now());
}

function writeTotals() {
  let [up, running, sessions, upRate, downRate, opened] = [0, 0, 0, 0, 0, 0];
  for (const lane of store.map.lanes) {
    const { health } = judgeLane(store, lane);
    if (health !== "off") running += 1;
    if (health === "good") up += 1;
    sessions += laneState(store, lane)?.sessions || 0;
    const rates = laneRates(store, lane);
    upRate += rates[0];
    downRate += rates[1];
    opened += rates[2];
  }
  const shown = store.isKnown;
  const noneOn = !running && store.map.lanes.length;       // paused, switched off, not published yet
  write(totals.tunnels, !shown ? "–" : noneOn ? "none on" : `${count(up)}/${count(running)} up`);
  write(totals.sessions, shown ? count(sessions) : "–");
  write(totals.down, shown ? rate(downRate) : "–");
  write(totals.up, shown ? rate(upRate) : "–");
  write(totals.opened, shown ? perSecond(opened) : "–");
  write(totals.errors, count(errors.count(store.now())));
}

// One line of all tunnels, second by second; each is counted once, on the side of its portal.
function allLines() {
  const sums = new Map();
  for (const lane of store.map.lanes) {
    for (const [at, up, down] of laneLine(store, lane)) {
      const second = Math.round(at);
      const sum = sums.get(second);
      if (sum) {
        sum[1] += up;
        sum[2] += down;
      } else sums.set(second, [second, up, down]);
    }
  }
  return [...sums.values()].sort((one, other) => one[0] - other[0]);
}

let events = given.events || [];
function writeEvents() {
  keyed(byId("live-events"), events.slice(0, MAX_EVENTS), (event) => event.id, (event) => eventRow(event, store), null);
  byId("live-no-events").hidden = events.length > 0;
}

store.addEventListener("change", update);
store.addEventListener("second", () => { if (store.now() - store.at > 1.5 || !store.isKnown) update(); });
store.addEventListener("map", () => { map.useLanes(); update(); });
store.addEventListener("events", ({ detail: fresh }) => {
  for (const event of fresh) {        // on arrival the panel repeats the last ones
    if (event.id > given.last_event && ERROR_KINDS.has(event.kind) && !counted.has(event.id)) errors.add(event.at);
    counted.add(event.id);
  }
  events = newest(events, fresh, MAX_EVENTS);
  writeEvents();
});
writeEvents();
update();
