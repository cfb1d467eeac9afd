// How far an exposed service is: a list that ticks itself off, from published to the first request that went through.

import { classes, h, keyed, write } from "./dom.js";
import { many, milliseconds } from "./format.js";
import { boot, keys } from "./page.js";
import { judgeInstance, judgeLane, serving } from "./words.js";

const { given, store } = boot();
const list = document.getElementById("live-steps");
keys(given.keys);

const lane = () => store.map.lanes.find((one) => one.service === given.service && one.place === given.instance);

// [words, what is seen, done]
function steps() {
  const tunnel = lane();
  const near = store.places.get(given.instance);
  if (!tunnel || !near) return [["The public side is there", "no portal of this name is published or kept", false]];
  const state = tunnel.portal && store.end(near.pk, "portal", tunnel.portal.key);
  const carriers = serving(state);
  const found = [
    [`${near.name} is published`, near.number ? `revision ${near.number}` : "not yet", near.number > 0],
    runs(near),
    ...tunnel.bridges.map((bridge) => runs(store.places.get(bridge.place))),
  ];
  const rtt = carriers.find((carrier) => carrier.rtt_ms !== undefined)?.rtt_ms;
  found.push(["The far side is connected", carriers.length ? `from ${carriers[0].peer || "somewhere"}${rtt === undefined ? "" : `, ${milliseconds(rtt)}`}` : judgeLane(store, tunnel).words, carriers.length > 0]);
  found.push(["Somebody has used it", state?.opened ? `${many(state.opened, "session")} so far` : "nobody yet", (state?.opened || 0) > (state?.failed || 0)]);
  return found;
}

function runs(place) {
  const judged = judgeInstance(store, place.pk);
  return [`${store.nodes.get(place.node)?.name} runs ${place.name}`, judged.words, judged.health === "good"];
}

function update() {
  const all = steps().map(([words, seen, done], number) => ({ words, seen, done, number }));
  const next = all.findIndex((step) => !step.done);
  keyed(list, all, (step) => step.number, () => h("li", {}, h("span", { class: "x-step-mark", "aria-hidden": "true" }), h("span", { class: "x-sr" }), h("span", { class: "x-step-title" }), h("span", { class: "x-quiet" })), (item, step) => {
    classes(item, `x-row x-step x-is-${step.done ? "good" : step.number === next ? "warn" : "off"}`);
    write(item.children[0], step.done ? "✓" : step.number === next ? "…" : "○");
    write(item.children[1], step.done ? "done: " : "not yet: ");
    write(item.children[2], step.words);
    write(item.children[3], step.seen);
  });
}

store.addEventListener("change", update);
store.addEventListener("map", update);
store.addEventListener("second", () => { if (store.now() - store.at > 1.5) update(); });
update();
