// The list of what is wrong, in words, with the buttons that help; one line when all is well.

import { classes, h, keyed, write } from "./dom.js";
import { MARKS } from "./lane_view.js";
import { many } from "./format.js";
import { problems } from "./words.js";

const MAX_SHOWN = 8;

// What somebody paused is not wrong, but is easily forgotten.
function pausedWords(store) {
  const paused = store.map.lanes.filter((lane) => lane.paused).length;
  return paused ? ` ${many(paused, "tunnel")} paused by hand.` : "";
}

export class ProblemList {
  // `unsettled`: something else on the page already says that not all is well.
  constructor(place, store, { unsettled }) {
    this.store = store;
    this.unsettled = unsettled;
    this.title = h("h2", { class: "x-sr" }, "Problems");
    this.list = h("ul", { class: "x-problems" });
    this.calm = h("p", { class: "x-note" });
    this.more = h("p", { class: "x-quiet x-small", hidden: true });
    // Only that something is wrong is read out, not how many seconds ago.
    this.spoken = h("p", { class: "x-sr", role: "status", "aria-live": "polite" });
    place.replaceChildren(this.title, this.list, this.more, this.calm, this.spoken);
  }

  update() {
    const { store } = this;
    const found = problems(store, store.map.lanes);
    keyed(this.list, found.slice(0, MAX_SHOWN), (one) => one.key, (one) => this.make(one), (element, one) => {
      classes(element, `x-note x-problem x-${one.health}`);
      write(element.firstElementChild.lastElementChild, one.text);
      write(element.firstElementChild.firstElementChild, MARKS[one.health]);
    });
    this.more.hidden = found.length <= MAX_SHOWN;
    write(this.more, this.more.hidden ? "" : `and ${many(found.length - MAX_SHOWN, "more problem")}, on the map below`);
    this.calm.hidden = found.length > 0;
    const lanes = store.map.lanes.length;
    const isWell = store.isKnown && !this.unsettled;
    classes(this.calm, `x-note ${isWell ? "x-good" : ""}`);
    write(this.calm, !store.isKnown ? "Asking how everything is ..." : !lanes ? "Nothing is wrong." : `${isWell ? "All well." : "Everything that is published runs."}${pausedWords(store)}`);
    write(this.spoken, store.isKnown ? (found.length ? `${many(found.length, "problem")}: ${found[0].text.split(" for ")[0]}` : "all well") : "");
    return found.length;
  }

  make(one) {
    return h("li", {}, h("span", { class: "x-problem-text" }, h("span", { class: "x-mark", "aria-hidden": "true" }), h("span")),
      h("span", { class: "x-row" }, this.buttons(one).filter(([, link]) => link).map(([words, link]) => h("a", { class: "x-button", href: link }, words))));
  }

  buttons(one) {
    const { store } = this;
    if (one.lane) {
      const far = one.lane.bridges.map((bridge) => store.places.get(bridge.place)).find(Boolean);
      return [["Diagnose", `${one.lane.link}&diagnose=1`], ["Log", (far || store.places.get(one.lane.place))?.log], ["Far-side file", one.lane.bridges.length ? "" : one.lane.service_link]];
    }
    if (one.place) {
      const place = store.places.get(one.place);
      return [["Open", place?.link], ["Log", place?.log]];
    }
    return [["Open", store.nodes.get(one.node)?.link]];
  }
}

