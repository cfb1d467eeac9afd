// One tunnel on the map: entries, portal, carriers, bridge, targets, and what moves between them.

import { Edge } from "./edge.js";
import { classes, h, set, write } from "./dom.js";
import { count, many, milliseconds, rate, span } from "./format.js";
import { judgeInstance, judgeLane } from "./words.js";

const MAX_DOORS = 4;
const MAX_TARGETS = 3;

export const MARKS = { good: "●", warn: "▲", bad: "✕", off: "○", unknown: "?" };

export class LaneView {
  // `choose(lane, part, index)` is called when a part is clicked.
  constructor(lane, store, choose) {
    this.lane = lane;
    this.store = store;
    const chip = (part, index = 0) => {
      const title = h("span", { class: "x-chip-title" });
      const note = h("small");
      const button = h("button", { type: "button", class: "x-chip", "data-part": part, onclick: () => choose(lane, part, index) }, title, note);
      return { button, title, note };
    };
    this.doors = lane.doors.slice(0, MAX_DOORS);
    this.entries = this.doors.map((_, index) => chip("entry", index));
    if (!this.entries.length || lane.doors.length > MAX_DOORS) this.moreDoors = chip("entry", MAX_DOORS);
    this.portal = chip("portal");
    this.carriers = chip("carriers");
    this.bridge = chip("bridge");
    this.target = chip("target");
    const rows = this.entries.length + (this.moreDoors ? 1 : 0);
    this.edges = [
      new Edge(Array.from({ length: rows }, (_, index) => [(index + 0.5) / rows, 0.5])),
      new Edge([[0.5, 0.5]]), new Edge([[0.5, 0.5]], { label: true }), new Edge([[0.5, 0.5]]),
    ];
    const cell = (name, ...chips) => h("div", { class: `x-cell x-cell-${name}` }, chips.filter(Boolean).map((one) => one.button));
    this.markIcon = h("span", { class: "x-mark", "aria-hidden": "true" });
    this.words = h("span");
    this.name = h("a", { class: "x-lane-name", href: lane.link }, this.markIcon, this.words);
    this.age = h("span", { class: "x-lane-age x-small" });
    this.element = h("div", { class: "x-maplane", role: "group" },
      h("div", { class: "x-lane-head" }, this.name, this.age),
      h("div", { class: "x-lane-row" },
        cell("entry", ...this.entries, this.moreDoors), this.edges[0].element, cell("portal", this.portal), this.edges[1].element,
        cell("carriers", this.carriers), this.edges[2].element, cell("bridge", this.bridge), this.edges[3].element,
        cell("target", this.target)));
    this.writeNames();
  }

  writeNames() {
    const { lane, store } = this;
    this.entries.forEach((entry, index) => {
      const door = this.doors[index];
      write(entry.title, door.listen || door.key);
      write(entry.note, door.rule || door.key);
      set(entry.button, "title", `${door.key}, ${door.protocol}${door.rule ? `, ${door.rule}` : ""}`);
    });
    if (this.moreDoors) {
      write(this.moreDoors.title, this.entries.length ? `and ${lane.doors.length - this.entries.length} more` : "no entry");
      write(this.moreDoors.note, this.entries.length ? "entries" : lane.portal ? "no rule leads here" : "not ours");
    }
    const place = store.places.get(lane.place);
    write(this.portal.title, lane.portal ? lane.portal.tag || lane.portal.domain : "somebody else's portal");
    write(this.portal.note, lane.portal ? `${place?.name} on ${store.nodes.get(place?.node)?.name ?? "?"}` : lane.bridges[0]?.address || "");
    const far = lane.bridges.map((bridge) => store.places.get(bridge.place)?.name).filter(Boolean);
    write(this.bridge.title, far.length ? far.slice(0, 2).join(", ") + (far.length > 2 ? ` and ${far.length - 2} more` : "") : "somebody's bridge");
    const shown = lane.targets.slice(0, MAX_TARGETS).join(", ");
    write(this.target.title, shown || "(unknown)");
    write(this.target.note, lane.targets.length > MAX_TARGETS ? `and ${lane.targets.length - MAX_TARGETS} more` : shown ? "as the bridge reaches it" : "the bridge decides");
  }

  turn(isUpright) {
    for (const edge of this.edges) edge.turn(isUpright);
  }

  update() {
    const { lane, store } = this;
    const judged = judgeLane(store, lane);
    this.judged = judged;
    const side = lane.portal ? "portal" : "bridge";
    const end = lane.portal ? lane.portal : lane.bridges[0];
    const state = store.end(lane.place, side, end.key);
    const [up, down] = store.rates(`${side}s`, lane.place, end.key);
    const carriers = Object.values(state?.carriers || {});
    const place = store.places.get(lane.place);
    const isStale = store.isKnown && store.isStale(place?.node) && judged.health !== "off";
    const age = store.age(place?.node);
    classes(this.element, `x-maplane x-is-${judged.health}${isStale ? " x-stale" : ""}`);
    write(this.markIcon, MARKS[judged.health]);
    write(this.words, `${lane.service || lane.name}: ${judged.words}`);
    write(this.age, isStale ? (age === Infinity ? "never heard of" : `as of ${span(age)} ago`) : "");
    set(this.element, "aria-label", `tunnel ${lane.name}, ${judged.words}, ${many(state?.sessions || 0, "session")}, down ${rate(down)}, up ${rate(up)}`);

    const own = judgeInstance(store, lane.place);
    const isRunning = own.health === "good" || own.health === "warn";
    const isPaused = Boolean(state?.paused);
    const isUp = carriers.length > 0 && (judged.health === "good" || judged.health === "warn" || isPaused);
    const broken = isRunning && store.isKnown ? (isUp ? "" : "broken") : "idle";
    this.updateDoors(isRunning && !isPaused, up, down, isUp);
    this.edges[1].update([[up, down]], broken);
    this.edges[2].update([[up, down]], broken, isUp ? `↓ ${rate(down)}\n↑ ${rate(up)}` : "");
    this.edges[3].update([[up, down]], isUp ? "" : "idle");
    this.writeCarriers(carriers, isUp);
    this.mark(this.portal, isPaused ? { health: "off" } : lane.portal ? own : { health: isUp ? "good" : judged.health });
    this.mark(this.carriers, { health: broken === "broken" ? "bad" : judged.health });
    this.markBridge(carriers);
    this.mark(this.target, { health: "off" });
  }

  updateDoors(isRunning, up, down, isUp) {
    const { lane, store } = this;
    const moved = this.doors.map((door) => {
      const [doorUp, doorDown] = store.rates("inbounds", lane.place, door.key);
      return [doorUp, doorDown];
    });
    if (moved.length === 1 && isUp && !(moved[0][0] || moved[0][1])) moved[0] = [up, down];
    if (this.moreDoors) moved.push([0, 0]);
    this.edges[0].update(moved, isRunning ? "" : "idle");
    this.entries.forEach((entry, index) => {
      const listens = store.inbound(lane.place, this.doors[index].key);
      this.mark(entry, { health: isRunning && listens ? "good" : "off" });
    });
  }

  writeCarriers(carriers, isUp) {
    const rtts = carriers.map((carrier) => carrier.rtt_ms).filter((value) => value !== undefined);
    write(this.carriers.title, carriers.length || isUp ? many(carriers.length, "carrier") : "no carrier");
    const draining = carriers.filter((carrier) => carrier.health === "draining").length;
    const leaving = carriers.filter((carrier) => carrier.leaving).length;
    const parts = [
      rtts.length ? milliseconds(Math.min(...rtts)) : "", leaving ? `${count(leaving)} leaving` : draining ? `${count(draining)} draining` : "",
    ].filter(Boolean);
    write(this.carriers.note, parts.join(", ") || (carriers.length ? "round trip not known" : "nothing connects"));
  }

  markBridge(carriers) {
    const { lane, store } = this;
    const cores = [...new Set(carriers.map((carrier) => carrier.core).filter(Boolean))];
    if (!lane.bridges.length) {
      write(this.bridge.title, cores[0] || lane.core || "somebody's bridge");
      write(this.bridge.note, carriers.length ? `from ${carriers[0].peer || "an unknown address"}` : "not ours");
      this.mark(this.bridge, { health: carriers.length ? "good" : "off" });
      return;
    }
    const judged = lane.bridges.map((bridge) => judgeInstance(store, bridge.place));
    const worst = judged.find((one) => one.health === "bad") || judged.find((one) => one.health !== "good") || judged[0];
    write(this.bridge.note, worst.health === "good" ? `on ${[...new Set(lane.bridges.map((bridge) => store.nodes.get(store.places.get(bridge.place)?.node)?.name))].join(", ")}` : worst.words);
    this.mark(this.bridge, worst);
  }

  mark(part, { health }) {
    classes(part.button, `x-chip x-is-${health}`);
  }
}

