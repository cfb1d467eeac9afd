// Which carrier of a portal the next session gets, and why not each of the others: asked of its worker when somebody wants to know.

import { Refused, ask } from "./ask.js";
import { h } from "./dom.js";
import { many } from "./format.js";

const POLICIES = {
  leastLoad: "The carrier with the fewest sessions gets it; of equal ones, the quickest.",
  weighted: "The bridge with the fewest sessions for its weight gets it.",
  sticky: "A client's address goes to the same bridge for as long as that is there: say which address.",
  primaryBackup: "The first bridge of the list that is there gets it.",
};

// `answer`: what "pick" or "explain" says. What there is to show, as elements.
export function candidates(answer) {
  const { carriers, policy, paused } = answer;
  if (!carriers.length) return [h("p", { class: "x-quiet", role: "status" }, "None: no bridge is connected. A client waits up to 3 s for one.")];
  const chosen = carriers.find((one) => one.is_chosen);
  const would = chosen ? `Carrier ${chosen.carrier}${chosen.peer ? `, from ${chosen.peer}` : ""}.` : `None: of ${many(carriers.length, "carrier")} none takes a session now.`;
  const verdict = paused ? `None: the tunnel is paused. Else: ${would}` : would;
  return [
    h("p", { role: "status" }, h("strong", {}, verdict), policy && POLICIES[policy] ? h("span", { class: "x-quiet" }, ` ${POLICIES[policy]}`) : null),
    h("ol", { class: "x-list" }, carriers.map((one, index) => line(one, index))),
  ];
}

function line(one, index) {
  const [health, words] = one.is_chosen ? ["good", "next"] : one.is_usable ? ["", `${index + 1}.`] : ["bad", "not chosen"];
  return h("li", {},
    h("div", { class: "x-row" }, h("span", { class: `x-badge x-${health}` }, words), h("strong", {}, `carrier ${one.carrier}`),
      h("span", {}, one.peer || "hidden by a proxy"), one.user ? h("span", { class: "x-quiet" }, one.user) : null),
    h("div", { class: "x-quiet" }, one.why));
}

// The card of a tunnel's page. `tunnel`: { instance, tag }.
export class NextCarrier {
  constructor(place, tunnel) {
    this.tunnel = tunnel;
    this.answer = h("div", { class: "x-stack x-close" });
    this.source = h("input", { class: "x-input x-search", name: "source", placeholder: "a client's address", title: "needed only where the policy is sticky", "aria-label": "address of the client, needed only where the policy is sticky", autocomplete: "off" });
    const form = h("form", { class: "x-row x-tight", onsubmit: (event) => { event.preventDefault(); this.ask(); } },
      this.source, h("button", { class: "x-button" }, "Ask"));
    place.replaceChildren(
      h("div", { class: "x-row x-apart" }, h("div", {}, h("h2", {}, "Which carrier next?"), h("p", { class: "x-quiet x-small" }, "What the next client would get, and why not the others.")), form),
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
