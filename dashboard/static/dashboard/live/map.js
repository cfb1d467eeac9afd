// The live map: a lane per tunnel, the broken ones first. Many fold into groups by node; a filter finds what is looked for.

import { classes, h, keyed, set, write } from "./dom.js";
import { count, many, rate } from "./format.js";
import { LaneView, MARKS } from "./lane_view.js";
import { judgeLane } from "./words.js";

export const MAX_UNFOLDED = 30;
const HEADS = ["entry", "portal", "carriers", "bridge", "target"];
const RANK = { bad: 0, warn: 1, unknown: 2, good: 2, off: 3 };

export class LiveMap {
  constructor(place, store, choose) {
    this.store = store;
    this.choose = choose;
    this.views = new Map();
    this.open = new Set();              // nodes whose group was unfolded by hand
    this.words = "";
    this.list = h("div", { class: "x-maplist" });
    this.empty = h("p", { class: "x-quiet", hidden: true });
    place.replaceChildren(
      h("div", { class: "x-lane-row x-map-heads", "aria-hidden": "true" }, HEADS.flatMap((head, index) => (index ? [h("span"), h("span", {}, head)] : [h("span", {}, head)]))),
      this.list, this.empty);
    place.addEventListener("pointerenter", () => { this.isHeld = true; });
    place.addEventListener("pointerleave", () => { this.isHeld = false; });
    this.narrow = matchMedia("(max-width: 820px)");
    this.narrow.addEventListener("change", () => { for (const view of this.views.values()) view.turn(this.narrow.matches); });
    this.useLanes();
  }

  useLanes() {
    this.lanes = this.store.map.lanes;
    this.views.clear();
    this.list.replaceChildren();
    this.list.keyedChildren = new Map();
    this.order = null;
    this.update();
  }

  filter(words) {
    this.words = words.trim().toLowerCase();
    this.order = null;
    this.update();
  }

  matches(lane) {
    if (!this.words) return true;
    const { store } = this;
    const names = [lane.place, ...lane.bridges.map((bridge) => bridge.place)].flatMap((pk) => {
      const place = store.places.get(pk);
      return [place?.name, store.nodes.get(place?.node)?.name];
    });
    const text = [lane.name, lane.service, lane.core, ...names, ...lane.targets, ...lane.doors.flatMap((door) => [door.listen, door.key, door.rule])];
    return this.words.split(/\s+/).every((word) => text.some((one) => one && one.toLowerCase().includes(word)));
  }

  // The order holds still while the pointer is on the map, and changes only where the health of a tunnel did.
  update() {
    const judged = new Map(this.lanes.map((lane) => [lane, judgeLane(this.store, lane)]));
    const found = this.lanes.filter((lane) => this.matches(lane));
    const healths = found.map((lane) => RANK[judged.get(lane).health]).join("");
    if (this.order === null || (!this.isHeld && healths !== this.healths)) {
      this.order = [...found].sort((one, other) => RANK[judged.get(one).health] - RANK[judged.get(other).health] || (one.service || one.name).localeCompare(other.service || other.name));
      this.healths = healths;
    }
    const isFolded = this.order.length > MAX_UNFOLDED && !this.words;
    const items = isFolded ? this.grouped(judged) : this.order.map((lane) => ({ key: lane.key, lane }));
    keyed(this.list, items, (item) => item.key, (item) => this.make(item), (element, item) => this.refresh(element, item, judged));
    this.empty.hidden = found.length > 0;
    write(this.empty, this.lanes.length ? "No tunnel fits the filter." : "There is no tunnel yet.");
  }

  grouped(judged) {
    const items = this.order.filter((lane) => ["bad", "warn"].includes(judged.get(lane).health)).slice(0, MAX_UNFOLDED).map((lane) => ({ key: lane.key, lane }));
    const shown = new Set(items.map((item) => item.lane));
    const groups = new Map();
    for (const lane of this.order) {
      const node = this.store.places.get(lane.place)?.node;
      if (!groups.has(node)) groups.set(node, []);
      groups.get(node).push(lane);
    }
    for (const [node, lanes] of [...groups].sort((one, other) => this.nodeName(one[0]).localeCompare(this.nodeName(other[0])))) {
      items.push({ key: `node/${node}`, node, lanes });
      if (this.open.has(node)) items.push(...lanes.filter((lane) => !shown.has(lane)).map((lane) => ({ key: lane.key, lane })));
    }
    return items;
  }

  nodeName(pk) {
    return this.store.nodes.get(pk)?.name ?? `node ${pk}`;
  }

  make(item) {
    if (item.lane) {
      const view = new LaneView(item.lane, this.store, this.choose);
      view.turn(this.narrow.matches);
      this.views.set(item.key, view);
      return view.element;
    }
    const toggle = () => {
      if (!this.open.delete(item.node)) this.open.add(item.node);
      this.update();
    };
    return h("button", { type: "button", class: "x-group-head", onclick: toggle }, h("span", { class: "x-group-mark", "aria-hidden": "true" }), h("strong"), h("span", { class: "x-group-words" }));
  }

  refresh(element, item, judged) {
    if (item.lane) {
      this.views.get(item.key).update();
      return;
    }
    const healths = item.lanes.map((lane) => judged.get(lane).health);
    const bad = healths.filter((health) => health === "bad").length;
    const good = healths.filter((health) => health === "good").length;
    const moved = item.lanes.reduce((sum, lane) => sum + laneRates(this.store, lane)[1], 0);
    const isOpen = this.open.has(item.node);
    set(element, "aria-expanded", isOpen);
    classes(element, `x-group-head x-is-${bad ? "bad" : "good"}`);
    write(element.children[0], isOpen ? "▾" : "▸");
    write(element.children[1], this.nodeName(item.node));
    write(element.children[2], `${MARKS[bad ? "bad" : "good"]} ${count(good)} of ${many(item.lanes.length, "tunnel")} up${bad ? `, ${count(bad)} broken` : ""}, ↓ ${rate(moved)}`);
  }
}

// [up, down, opened] per second of a tunnel, as the side that is ours counts; the portal's where both are.
export function laneRates(store, lane) {
  const side = lane.portal ? "portals" : "bridges";
  return store.rates(side, lane.place, (lane.portal || lane.bridges[0]).key);
}

export function laneState(store, lane) {
  return store.end(lane.place, lane.portal ? "portal" : "bridge", (lane.portal || lane.bridges[0]).key);
}

export const laneLine = (store, lane) => store.line(lane.place, (lane.portal || lane.bridges[0]).key);
