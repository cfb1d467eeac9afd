// The sessions of a tunnel: once a second while they are looked at, with what can be done about one.

import { ask, Refused } from "./ask.js";
import { h, keyed, write } from "./dom.js";
import { bytes, clock, count, country, host, many, rate, span } from "./format.js";
import { Meter } from "./meter.js";
import { choose, toast } from "./page.js";
import { VirtualTable } from "./virtual_table.js";

const PHASES = { active: "active", half_closed: "half-closed", waiting_for_client: "waits for client", waiting_for_target: "waits for target" };
const BLOCKS = [[600, "10 minutes"], [3600, "1 hour"], [86_400, "1 day"]];

export class Sessions {
  // `tunnel`: { instance, tag, kind }.
  constructor(place, store, tunnel, { mayAct }) {
    this.store = store;
    this.tunnel = tunnel;
    this.known = new Map();
    this.words = "";
    this.note = h("span", { class: "x-quiet x-small", "aria-live": "off" });
    const search = h("input", { class: "x-input x-search", type: "search", "data-filter": true, placeholder: "Filter", "aria-label": "filter sessions by source, country, entry, target or name", oninput: () => this.filter(search.value) });
    const body = h("div");
    place.replaceChildren(h("div", { class: "x-row x-apart x-map-top" }, h("div", { class: "x-row" }, h("h2", {}, "Sessions"), this.note), search), body);
    const age = (row) => this.store.now() - row.since;
    this.table = new VirtualTable(body, {
      label: "sessions", empty: "No session right now. One appears here as soon as a client connects.", idOf: (row) => row.id,
      action: mayAct ? { words: "Close…", run: (row) => this.close(row) } : null,
      columns: [
        { key: "source", title: "source", value: (row) => row.source || "", lines: (row) => [row.source || "not known", row.user || ""], mark: (row) => (row.country ? [row.country, country(row.country)] : null) },
        { key: "entry", title: "entry", value: (row) => row.inbound || "", lines: (row) => [row.inbound || "–", `carrier ${row.carrier}`] },
        { key: "target", title: "target", value: (row) => row.sniffed || row.target || "", lines: (row) => [row.target || "–", row.sniffed || ""] },
        { key: "down", title: "down", align: true, first: -1, value: (row) => row.rates[1] * 1e9 + row.down, lines: (row) => [rate(row.rates[1]), bytes(row.down)] },
        { key: "up", title: "up", align: true, first: -1, value: (row) => row.rates[0] * 1e9 + row.up, lines: (row) => [rate(row.rates[0]), bytes(row.up)] },
        { key: "age", title: "age", align: true, first: -1, value: age, lines: (row) => [span(age(row)), clock(row.since)] },
        { key: "state", title: "state", value: (row) => row.phase, lines: (row) => [row.isGone ? "closed" : PHASES[row.phase] || row.phase || "", ""] },
      ],
    });
    this.table.sortBy(this.table.columns[3]);
  }

  take(message) {
    if (message.instance !== this.tunnel.instance || message.tunnel !== this.tunnel.tag || message.kind !== this.tunnel.kind) return;
    const at = this.store.now();
    const fresh = new Map();
    for (const session of message.sessions) {
      let row = this.known.get(session.id);
      if (!row) row = { meter: new Meter(), rates: [0, 0] };
      Object.assign(row, session, { isGone: false });
      row.meter.add(at, [session.up || 0, session.down || 0]);
      row.rates = row.meter.rates();
      fresh.set(session.id, row);
    }
    this.known = fresh;
    this.total = message.total;
    this.table.update([...fresh.values()]);
    this.writeNote();
  }

  filter(words) {
    this.words = words.trim().toLowerCase();
    const parts = this.words.split(/\s+/).filter(Boolean);
    this.table.filter((row) => {
      const from = row.country ? `${row.country} ${country(row.country)}` : "";
      const text = `${row.source} ${from} ${row.user || ""} ${row.inbound} ${row.target} ${row.sniffed || ""} ${PHASES[row.phase] || ""}`.toLowerCase();
      return parts.every((part) => text.includes(part));
    });
    this.writeNote();
  }

  // They cannot be asked for now: what is shown is what was.
  fail(text) {
    this.known = new Map();
    this.total = undefined;
    this.table.update([]);
    write(this.note, text);
  }

  writeNote() {
    const listed = this.known.size;
    const parts = [this.words ? `${count(this.table.shown.length)} of ${many(listed, "session")}` : many(this.total ?? listed, "session")];
    if (this.total > listed) parts.push(`the first ${count(listed)} are listed`);
    write(this.note, parts.join(", "));
  }

  async close(row) {
    const address = host(row.source);
    const same = [...this.known.values()].filter((one) => host(one.source) === address);
    const for_ = h("select", { class: "x-input x-short", "aria-label": "for how long" }, BLOCKS.map(([seconds, words]) => h("option", { value: seconds }, words)));
    for_.value = "3600";
    const isKnown = Boolean(address);
    const words = isKnown
      ? `${address}${row.country ? ` (${country(row.country)})` : ""} has ${many(same.length, "session")} on this tunnel, to ${[...new Set(same.map((one) => one.target))].slice(0, 3).join(", ")}. What is cut cannot be taken up again; the client may connect anew, unless it is blocked.`
      : "Where it comes from is not known. What is cut cannot be taken up again.";
    const buttons = [{ words: "Close this session", value: "one", danger: true }];
    if (isKnown) {
      buttons.push({ words: `Close all ${count(same.length)} of ${address}`, value: "all", danger: true });
      buttons.push({ words: `Block ${address}`, value: "block", danger: true });
    }
    const chosen = await choose("Close", words, buttons, isKnown ? h("label", { class: "x-row x-below" }, "Block for", for_) : null);
    this.table.scroller.focus();            // the row will go: who uses the keyboard stays in the table
    if (!chosen) return;
    const { instance, tag } = this.tunnel;
    const asked = {
      one: ["close", { ids: [row.id] }], all: ["close", { tunnel: tag, source: address }],
      block: ["block", { source: address, seconds: Number(for_.value) }],
    }[chosen];
    try {
      const { closed } = await ask(instance, ...asked);
      toast(`${chosen === "block" ? `${address} is blocked. ` : ""}${many(closed ?? 0, "session")} closed.`);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      toast(error.message, "bad");
    }
  }
}

// Sources that are refused now, with a button that lets them in again.
export class Blocked {
  constructor(place, store, instance, { mayAct }) {
    Object.assign(this, { place, store, instance, mayAct });
    this.list = h("ul", { class: "x-row x-blocked" });
    place.replaceChildren(h("h2", {}, "Blocked sources"), this.list);
  }

  update() {
    const blocked = Object.entries(this.store.worker(this.instance)?.blocked || {}).filter(([, until]) => until > this.store.now());
    this.place.hidden = blocked.length === 0;
    keyed(this.list, blocked, ([source]) => source, ([source]) => h("li", { class: "x-chip" }, h("span", {}, source), h("small"),
      this.mayAct ? h("button", { type: "button", class: "x-button", onclick: () => this.unblock(source) }, "Let in again") : null),
    (element, [, until]) => write(element.children[1], `for ${span(until - this.store.now())} more`));
  }

  async unblock(source) {
    try {
      await ask(this.instance, "unblock", { source });
      toast(`${source} may connect again.`);
    } catch (error) {
      toast(error.message, "bad");
    }
  }
}
