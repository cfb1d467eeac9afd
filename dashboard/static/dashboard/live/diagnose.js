// The path of a tunnel, tried step by step: a list that fills from top to bottom, the first fault opened.

import { Refused, call } from "./ask.js";
import { h } from "./dom.js";
import { milliseconds } from "./format.js";
import { toast } from "./page.js";
import { sentence } from "./words.js";

const MARKS = { ok: ["✓", "ok"], failed: ["✕", "failed"], warning: ["▲", "warning"], skipped: ["–", "not tried"] };
const HEALTH = { ok: "good", failed: "bad", warning: "warn", skipped: "off" };
const PAUSE_MS = 120;

export class Diagnose {
  constructor(place, tunnel) {
    this.place = place;
    this.tunnel = tunnel;
  }

  async run() {
    const { place } = this;
    place.hidden = false;
    place.setAttribute("aria-busy", "true");
    const list = h("ol", { class: "x-diagnosis" });
    const verdict = h("p", { role: "status", class: "x-note" }, "Asking both sides …");
    const buttons = h("div", { class: "x-row" });
    place.replaceChildren(h("div", { class: "x-row x-apart" }, h("h2", {}, "Diagnosis"), buttons), verdict, list);
    place.scrollIntoView({ block: "nearest" });
    let steps;
    try {
      ({ steps } = await call("POST", "/api/v1/tunnels/diagnose/", { instance: this.tunnel.instance, tunnel: this.tunnel.tag }));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      verdict.className = "x-note x-bad";
      verdict.textContent = `The diagnosis could not be made: ${error.message}`;
      place.removeAttribute("aria-busy");
      return;
    }
    const first = steps.find((step) => step.outcome === "failed") ?? steps.find((step) => step.outcome === "warning");
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    for (const step of steps) {
      list.append(this.item(step, step === first));
      if (!still) await new Promise((resolve) => { setTimeout(resolve, PAUSE_MS); });
    }
    verdict.className = `x-note x-${first ? HEALTH[first.outcome] : "good"}`;
    verdict.textContent = first ? `${first.title}: ${first.seen}. ${sentence(first.cause ?? "")}` : "Everything that could be tried works.";
    buttons.append(
      h("button", { type: "button", class: "x-button", onclick: () => copy(asText(this.tunnel, steps)) }, "Copy as text"),
      h("button", { type: "button", class: "x-button", onclick: () => this.run() }, "Again"),
      h("button", { type: "button", class: "x-button", onclick: () => { place.hidden = true; } }, "Close"));
    place.removeAttribute("aria-busy");
  }

  item(step, isOpen) {
    const [mark, words] = MARKS[step.outcome] || ["?", step.outcome];
    const more = [step.cause && h("p", {}, sentence(step.cause)), step.remedy && h("p", {}, h("strong", {}, "What to do: "), step.remedy)].filter(Boolean);
    return h("li", { class: `x-step x-is-${HEALTH[step.outcome]}` },
      h("details", { open: isOpen },
        h("summary", {},
          h("span", { class: "x-step-mark", "aria-hidden": "true" }, mark), h("span", { class: "x-sr" }, `${words}: `),
          h("span", { class: "x-step-title" }, step.title), step.side ? h("span", { class: "x-badge" }, step.side) : null,
          h("span", { class: "x-step-seen x-quiet" }, step.seen), h("span", { class: "x-step-ms x-quiet" }, step.ms === undefined ? "" : milliseconds(step.ms))),
        h("div", { class: "x-step-more" }, more.length ? more : h("p", { class: "x-quiet" }, step.seen || words))));
  }
}

export function asText(tunnel, steps) {
  const lines = steps.map((step) => {
    const took = step.ms === undefined ? "" : ` (${milliseconds(step.ms)})`;
    const more = [step.cause && `    cause: ${step.cause}`, step.remedy && `    to do: ${step.remedy}`].filter(Boolean);
    return [`[${step.outcome}] ${step.side ? `${step.side}: ` : ""}${step.title}: ${step.seen}${took}`, ...more].join("\n");
  });
  return `Diagnosis of the tunnel ${tunnel.tag}, ${new Date().toISOString()}\n${lines.join("\n")}\n`;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = h("textarea");         // pages that are not on a secure origin
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast("Copied.");
}
