// What is known of everything that runs: the tree that the panel sends, rates of its counters, two minutes of history.

import { merge } from "./merge.js";
import { Meter } from "./meter.js";

export const STALE_S = 5;
const HISTORY_S = 120;
const MAX_EVENTS = 200;

export class Store extends EventTarget {
  constructor(map) {
    super();
    this.tree = { nodes: {} };
    this.at = 0;                        // the panel's clock when it last spoke
    this.heard = 0;                     // ours, then
    this.meters = new Map();
    this.lines = new Map();             // "3/home" -> [[at, up rate, down rate, sessions], ...]
    this.events = [];
    this.useMap(map);
  }

  useMap(map) {
    this.map = map;
    this.places = new Map((map.places || []).map((place) => [place.pk, place]));
    this.nodes = new Map((map.nodes || []).map((node) => [node.pk, node]));
  }

  get isKnown() {
    return this.at > 0;
  }

  // The panel's time now.
  now() {
    return this.at ? this.at + (performance.now() - this.heard) / 1000 : Date.now() / 1000;
  }

  take(message) {
    if (message.type === "full") {
      this.tree = { nodes: message.nodes || {} };
      if (message.history) this.takeHistory(message.history);
    } else if (message.type === "patch") {
      merge(this.tree, message.patch);
    }
    this.at = message.at;
    this.heard = performance.now();
    this.measure();
    this.dispatchEvent(new Event("change"));
  }

  takeEvents(events) {
    this.events = [...events, ...this.events].slice(0, MAX_EVENTS);
    this.dispatchEvent(new CustomEvent("events", { detail: events }));
  }

  takeHistory(history) {
    this.lines.clear();
    for (const [instance, tags] of Object.entries(history)) {
      for (const [tag, points] of Object.entries(tags)) this.lines.set(`${instance}/${tag}`, points.slice(-HISTORY_S));
    }
  }

  measure() {
    const seen = new Set();
    for (const node of Object.values(this.tree.nodes)) {
      for (const [instance, worker] of Object.entries(node.workers || {})) {
        for (const part of ["inbounds", "portals", "bridges"]) {
          for (const [tag, state] of Object.entries(worker[part] || {})) {
            const name = `${part}/${instance}/${tag}`;
            seen.add(name);
            let meter = this.meters.get(name);
            if (!meter) this.meters.set(name, (meter = new Meter()));
            meter.add(this.at, [state.up || 0, state.down || 0, state.opened ?? state.accepted ?? 0]);
            if (part !== "inbounds") this.remember(`${instance}/${tag}`, meter, state);
          }
        }
      }
    }
    for (const name of this.meters.keys()) if (!seen.has(name)) this.meters.delete(name);
  }

  remember(name, meter, state) {
    if (!meter.isReady) return;
    let line = this.lines.get(name);
    if (!line) this.lines.set(name, (line = []));
    if (line.length && this.at - line.at(-1)[0] < 0.5) return;
    const [up, down] = meter.rates();
    line.push([this.at, up, down, state.sessions || 0]);
    while (line.length && line[0][0] < this.at - HISTORY_S) line.shift();
  }

  node(pk) {
    return this.tree.nodes[pk];
  }

  // Where an instance should be, it is looked for first; it may have moved to another node meanwhile.
  worker(instance) {
    const place = this.places.get(Number(instance));
    const there = place && this.node(place.node)?.workers?.[instance];
    if (there) return there;
    for (const node of Object.values(this.tree.nodes)) if (node.workers?.[instance]) return node.workers[instance];
    return undefined;
  }

  end(instance, side, key) {
    return this.worker(instance)?.[side === "portal" ? "portals" : "bridges"]?.[key];
  }

  inbound(instance, key) {
    return this.worker(instance)?.inbounds?.[key];
  }

  // [up, down, opened] per second. `part`: inbounds, portals, bridges.
  rates(part, instance, key) {
    const meter = this.meters.get(`${part}/${instance}/${key}`);
    if (meter?.isReady) return meter.rates();
    const last = part === "inbounds" ? undefined : this.line(instance, key).at(-1);
    return last ? [last[1], last[2], 0] : [0, 0, 0];
  }

  line(instance, key) {
    return this.lines.get(`${instance}/${key}`) ?? [];
  }

  // Seconds since the node was heard of; Infinity: never.
  age(nodePk) {
    const node = this.node(nodePk);
    if (!node || !node.seen) return Infinity;
    return Math.max(0, this.now() - node.seen);
  }

  isStale(nodePk) {
    return this.age(nodePk) > STALE_S;
  }
}
