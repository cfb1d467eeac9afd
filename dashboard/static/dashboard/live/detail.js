// What stands beside the map: everything about the part that was clicked, and where to go on from there.

import { h, keyed, write } from "./dom.js";
import { bytes, clock, count, many, milliseconds, rate, span } from "./format.js";
import { laneRates, laneState } from "./map.js";
import { judgeInstance, judgeLane } from "./words.js";

const TITLES = { entry: "Entry", portal: "Portal", carriers: "Carriers", bridge: "Bridge", target: "Target" };

export class Detail {
  constructor(place, store) {
    this.place = place;
    this.store = store;
    this.title = h("h2");
    this.facts = h("dl", { class: "x-facts" });
    this.links = h("div", { class: "x-row x-below" });
    place.replaceChildren(
      h("div", { class: "x-row x-apart" }, this.title, h("button", { type: "button", class: "x-button", onclick: () => this.close() }, "Close")),
      this.facts, this.links);
    place.addEventListener("keydown", (event) => { if (event.key === "Escape") this.close(); });
  }

  open(lane, part, index) {
    this.back = document.activeElement;
    this.chosen = { lane, part, index };
    this.place.hidden = false;
    document.body.classList.toggle("x-has-detail", true);
    write(this.title, `${TITLES[part]} of ${lane.service || lane.name}`);
    this.links.replaceChildren(...this.addresses(lane, part, index).filter(([, link]) => link).map(([words, link], number) =>
      h("a", { class: `x-button${number ? "" : " x-main"}`, href: link }, words)));
    this.update();
    this.place.focus();
  }

  close() {
    this.chosen = null;
    this.place.hidden = true;
    document.body.classList.toggle("x-has-detail", false);
    this.back?.focus?.();
  }

  addresses(lane, part, index) {
    const place = this.store.places.get(lane.place);
    const tunnel = ["Open the tunnel", lane.link];
    if (part === "entry") return [tunnel, ["Edit the entry", lane.doors[index]?.link], ["Instance", place?.link]];
    if (part === "portal") return [tunnel, ["Edit the portal", lane.portal?.link], [`Instance ${place?.name}`, place?.link]];
    if (part === "bridge") {
      const far = lane.bridges[0] && this.store.places.get(lane.bridges[0].place);
      return [tunnel, ["Edit the bridge", lane.bridges[0]?.link], [far ? `Instance ${far.name}` : "", far?.link], ["Far-side file", lane.service_link]];
    }
    return [tunnel, ["Service", lane.service_link]];
  }

  update() {
    if (!this.chosen) return;
    const rows = this.rows(this.chosen).filter(([, value]) => value !== "" && value !== undefined && value !== null);
    const items = rows.flatMap(([name, value], number) => [{ key: `t${number}${name}`, tag: "dt", text: name }, { key: `d${number}${name}`, tag: "dd", text: String(value) }]);
    keyed(this.facts, items, (item) => item.key, (item) => h(item.tag), (element, item) => write(element, item.text));
  }

  rows({ lane, part, index }) {
    const { store } = this;
    const state = laneState(store, lane);
    const [up, down, opened] = laneRates(store, lane);
    const judged = judgeLane(store, lane);
    const moved = [["Down", `${rate(down)}, ${bytes(state?.down)} in all`], ["Up", `${rate(up)}, ${bytes(state?.up)} in all`]];
    if (part === "entry") return this.entryRows(lane, lane.doors[index]);
    if (part === "carriers") return this.carrierRows(state);
    if (part === "bridge") return [...this.bridgeRows(lane, state), ...moved];
    if (part === "target") return [["Targets", lane.targets.join(", ") || "the bridge decides"], ["Sessions", count(state?.sessions)], ...moved];
    const place = store.places.get(lane.place);
    return [
      ["State", judged.words], ["Domain", lane.portal?.domain || (lane.portal ? "none: VLESS's own tunnel" : "")],
      ["Instance", `${place?.name}: ${judgeInstance(store, lane.place).words}`], ["Node", store.nodes.get(place?.node)?.name],
      ["Sessions", `${count(state?.sessions)}, ${count(state?.opened)} ever`], ["New", `${opened.toFixed(1)}/s`],
      ["Waiting", state?.waiting ? many(state.waiting, "client") : ""], ["Failed", state?.failed ? count(state.failed) : ""], ...moved,
      ["Last bridge", state?.last_peer ? `${state.last_peer}${state.last_seen ? `, ${clock(state.last_seen)}` : ""}` : ""],
      ["Last error", state?.last_error],
    ];
  }

  entryRows(lane, door) {
    if (!door) return [["Entries", lane.doors.map((one) => `${one.listen} ${one.key}`).join(", ") || "none: no rule leads to this portal"]];
    const state = this.store.inbound(lane.place, door.key);
    const [up, down, opened] = this.store.rates("inbounds", lane.place, door.key);
    return [
      ["Tag", door.key], ["Protocol", door.protocol], ["Listens on", state?.listen?.join(", ") || door.listen],
      ["If", door.rule || "whatever it is"], ["Leads to", door.target || "what the client asks for"],
      ["Open now", state ? count(state.open) : "it does not listen"], ["Accepted", state ? count(state.accepted) : ""], ["New", `${opened.toFixed(1)}/s`],
      ["Down", rate(down)], ["Up", rate(up)],
    ];
  }

  carrierRows(state) {
    const carriers = Object.entries(state?.carriers || {});
    if (!carriers.length) return [["Carriers", "none: no bridge is connected"], ["Last error", state?.last_error]];
    return carriers.slice(0, 12).map(([number, carrier]) => [
      `Number ${number}`,
      `${carrier.peer || "address not known"}, ${carrier.health}, ${milliseconds(carrier.rtt_ms)}, ${many(carrier.sessions || 0, "session")}, up for ${span(this.store.now() - carrier.since)}`,
    ]);
  }

  bridgeRows(lane, state) {
    if (!lane.bridges.length) {
      const carriers = Object.values(state?.carriers || {});
      return [
        ["Core", [...new Set(carriers.map((one) => one.core).filter(Boolean))].join(", ") || lane.core || "not known"],
        ["Dialect", [...new Set(carriers.map((one) => one.dialect).filter(Boolean))].join(", ")],
        ["Comes from", [...new Set(carriers.map((one) => one.peer).filter(Boolean))].join(", ")],
      ];
    }
    return lane.bridges.flatMap((bridge) => {
      const far = this.store.end(bridge.place, "bridge", bridge.key);
      const place = this.store.places.get(bridge.place);
      return [
        ["Instance", `${place?.name}: ${judgeInstance(this.store, bridge.place).words}`], ["Node", this.store.nodes.get(place?.node)?.name],
        ["Goes out by", [bridge.via, bridge.address].filter(Boolean).join(" to ")], ["Failed attempts", far?.failures ? count(far.failures) : ""],
        ["Last error", far?.last_error],
      ];
    });
  }
}
