// One thing that happened, as a line of a list.

import { h } from "./dom.js";
import { clock, count } from "./format.js";

const BAD = new Set(["worker_died", "crash_loop", "refused_document", "reverted", "tunnel_down", "node_down", "node_twice"]);
const WARN = new Set(["refused", "stalled", "credential_stopped", "blocked", "closed_by_hand", "paused"]);
const GOOD = new Set(["tunnel_up", "node_up", "confirmed", "applied", "worker_started", "resumed"]);

const WORDS = {
  worker_started: "started", worker_died: "ended", crash_loop: "keeps crashing", applied: "applied", refused_document: "not applied",
  reverted: "taken back", confirmed: "confirmed", tunnel_up: "tunnel up", tunnel_down: "tunnel down", refused: "refused", stalled: "stood still",
  credential_stopped: "client stopped", closed_by_hand: "closed", blocked: "blocked", paused: "paused", resumed: "resumed", node_up: "node up", node_down: "node down", node_twice: "one identity twice",
};

export const eventHealth = (kind) => (BAD.has(kind) ? "bad" : WARN.has(kind) ? "warn" : GOOD.has(kind) ? "good" : "");

// Both lists together, each event once, the newest first.
export function newest(events, fresh, limit) {
  const byId = new Map([...fresh, ...events].map((event) => [event.id, event]));
  return [...byId.values()].sort((one, other) => other.at - one.at || other.id - one.id).slice(0, limit);
}

export function eventRow(event, store) {
  const named = event.instance ? store.places.get(event.instance)?.name : store.nodes.get(event.node)?.name;
  const place = event.text?.startsWith(`${named} `) ? "" : named;
  return h("li", { class: "x-event" },
    h("time", { class: "x-quiet", datetime: new Date(event.at * 1000).toISOString() }, clock(event.at, { seconds: true })),
    h("span", { class: `x-badge x-${eventHealth(event.kind)}` }, WORDS[event.kind] || event.kind),
    h("span", { class: "x-event-text" }, h("strong", {}, [place, event.tag].filter(Boolean).join(" / ")), " ", event.text || event.reason,
      event.count > 1 ? h("span", { class: "x-quiet" }, ` (${count(event.count)} times)`) : null));
}
