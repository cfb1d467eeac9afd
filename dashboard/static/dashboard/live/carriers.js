// The carriers of a tunnel, one line each.

import { classes, h, keyed, write } from "./dom.js";
import { bytes, count, milliseconds, percent, span } from "./format.js";
import { sentence } from "./words.js";

const HEALTH = { active: ["good", "active"], draining: ["warn", "draining"], suspect: ["bad", "does not answer"] };
const COLUMNS = ["carrier", "peer", "core", "dialect", "state", "round trip", "sessions", "age", "down", "up"];

export class Carriers {
  constructor(place, store) {
    this.store = store;
    this.body = h("tbody");
    this.empty = h("p", { class: "x-quiet" }, "No bridge is connected.");
    this.table = h("div", { class: "x-scroll" }, h("table", { class: "x-table x-folds x-carriers" }, h("thead", {}, h("tr", {}, COLUMNS.map((column) => h("th", {}, column)))), this.body));
    place.replaceChildren(h("h2", {}, "Carriers"), this.table, this.empty);
  }

  update(state) {
    const carriers = Object.entries(state?.carriers || {}).sort((one, other) => one[1].since - other[1].since);
    this.table.hidden = carriers.length === 0;
    this.empty.hidden = carriers.length > 0;
    const problem = state?.last_error ? ` ${sentence(state.last_error)}` : "";
    write(this.empty, `No bridge is connected.${problem}`);
    keyed(this.body, carriers, ([number]) => number, () => this.make(), (row, [number, carrier]) => this.write(row, number, carrier));
  }

  make() {
    return h("tr", {}, COLUMNS.map((column) => h("td", { "data-name": column, class: "x-whole" }, column === "state" ? h("span", { class: "x-badge" }) : null)));
  }

  write(row, number, carrier) {
    const [health, words] = carrier.leaving ? ["warn", "of an earlier revision"] : HEALTH[carrier.health] || ["", carrier.health || ""];
    const loss = carrier.loss > 0.005 ? `, ${percent(carrier.loss)} lost` : "";
    const cells = [
      number, carrier.peer || "hidden by a proxy", carrier.core || "not known", `${carrier.dialect || "not known yet"}${carrier.extension ? ", extended" : ""}`,
      null, `${milliseconds(carrier.rtt_ms)}${loss}`, `${count(carrier.sessions)} (${count(carrier.opened)} ever)`,
      span(this.store.now() - carrier.since), bytes(carrier.down), bytes(carrier.up),
    ];
    cells.forEach((text, index) => { if (text !== null) write(row.children[index], String(text)); });
    const badge = row.children[4].firstChild;
    classes(badge, `x-badge x-${health}`);
    write(badge, words);
  }
}
