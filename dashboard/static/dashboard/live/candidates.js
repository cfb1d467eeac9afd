// Which carrier of a portal the next session gets, and why not each of the others: asked of its worker when somebody wants to know.

import { Refused, ask } from "./ask.js";
import { h } from "./dom.js";
import { many } from "./format.js";

const COLUMNS = ["place", "carrier", "peer", "client", "why"];
const POLICIES = {
  leastLoad: "The carrier with the fewest sessions gets it; of equal ones, the quickest.",
  weighted: "The bridge with the fewest sessions for its weight gets it.",
  sticky: "A client's address goes to the same bridge for as long as that is there: say which address.",
  primaryBackup: "The first bridge of the list that is there gets it.",
};

// `answer`: what "pick" or "explain" says. What there is to show, as elements.
export function candidates(answer) {
  const { carriers, policy } = answer;
  if (!carriers.length) return [h("p", { class: "x-quiet", role: "status" }, "None: no bridge is connected. A client waits up to 3 s for one.")];
  const chosen = carriers.find((one) => one.is_chosen);
  const verdict = chosen
    ? `Carrier ${chosen.carrier}${chosen.peer ? `, from ${chosen.peer}` : ""}.`
    : `None: ${carriers.length === 1 ? "it" : `none of ${many(carriers.length, "carrier")}`} takes a session now.`;
  return [
    h("p", { role: "status" }, h("strong", {}, verdict), policy && POLICIES[policy] ? h("span", { class: "x-quiet" }, ` ${POLICIES[policy]}`) : null),
    h("div", { class: "x-scroll" }, h("table", { class: "x-table x-folds" },
      h("thead", {}, h("tr", {}, COLUMNS.map((column) => h("th", {}, column)))),
      h("tbody", {}, carriers.map((one, index) => row(one, index))))),
  ];
}

function row(one, index) {
  const [health, words] = one.is_chosen ? ["good", "next"] : one.is_usable ? ["", `${index + 1}.`] : ["bad", "not chosen"];
  const cells = [h("span", { class: `x-badge x-${health}` }, words), one.carrier, one.peer || "hidden by a proxy", one.user || "–", one.why];
  return h("tr", {}, cells.map((cell, number) => h("td", { "data-name": COLUMNS[number] }, cell)));
}

// The card of a tunnel's page. `tunnel`: { instance, tag }.
export class NextCarrier {
  constructor(place, tunnel) {
    this.tunnel = tunnel;
    this.answer = h("div", { class: "x-stack x-close" });
    this.source = h("input", { class: "x-input x-search", name: "source", placeholder: "198.51.100.7", "aria-label": "of a client with this address", autocomplete: "off" });
    const form = h("form", { class: "x-row x-tight", onsubmit: (event) => { event.preventDefault(); this.ask(); } },
      this.source, h("button", { class: "x-button" }, "Ask"));
    place.replaceChildren(
      h("div", { class: "x-row x-apart" }, h("div", {}, h("h2", {}, "Which carrier next?"), h("p", { class: "x-quiet x-small" }, "Which one the next client would get, and why not the others. A client's address is only needed where the policy is sticky.")), form),
      this.answer);
  }

  async ask() {
    this.answer.replaceChildren(...await asked(this.tunnel, this.source.value.trim()));
  }
}

export async function asked({ instance, tag }, source) {
  try {
    return candidates(await ask(instance, "pick", { tunnel: tag, source }));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return [h("p", { class: "x-note x-warn", role: "status" }, `It cannot be asked: ${error.message}`)];
  }
}
