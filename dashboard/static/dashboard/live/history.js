// What a tunnel moved in the last hour, day or month, from the figures that are kept.

import { Refused, call } from "./ask.js";
import { Chart } from "./chart.js";
import { h, write } from "./dom.js";
import { bytes, count } from "./format.js";

const RANGES = { "1h": ["1 h", 3600], "24h": ["24 h", 86_400], "30d": ["30 d", 30 * 86_400] };
const AGAIN_MS = 15_000;

export class History {
  constructor(place, tunnel) {
    this.tunnel = tunnel;
    this.range = "1h";
    const frame = h("div");
    this.buttons = Object.entries(RANGES).map(([range, [words]]) =>
      h("button", { type: "button", class: "x-button", "aria-pressed": range === this.range, onclick: () => this.choose(range) }, words));
    this.total = h("p", { class: "x-quiet", role: "status" });
    place.replaceChildren(h("div", { class: "x-row x-apart" }, h("h2", {}, "What it moved"), h("div", { class: "x-switcher" }, this.buttons)), frame, this.total);
    this.chart = new Chart(frame, { label: "Throughput over the chosen time", length: 3600 });
    this.load();
    setInterval(() => { if (!document.hidden) this.load(); }, AGAIN_MS);
  }

  choose(range) {
    this.range = range;
    Object.keys(RANGES).forEach((one, index) => this.buttons[index].setAttribute("aria-pressed", String(one === range)));
    this.load();
  }

  async load() {
    const { range } = this;
    const { instance, tag } = this.tunnel;
    const query = new URLSearchParams({ instance, kind: "tunnel", name: tag, range });
    try {
      const { step, points } = await call("GET", `/api/v1/traffic/history/?${query}`);
      if (range !== this.range) return;
      const rates = points.map(([at, up, down]) => [at + step / 2, up / step, down / step]);
      this.chart.update(rates, Date.now() / 1000, RANGES[range][1]);
      const [up, down, opened] = [1, 2, 3].map((index) => points.reduce((sum, point) => sum + point[index], 0));
      write(this.total, points.length ? `${bytes(down)} down, ${bytes(up)} up, ${count(opened)} sessions in this time.` : "No figures are kept of it yet. They come with the first ten seconds of traffic.");
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      write(this.total, error.message === "That is not there." ? "No figures are kept of it yet. They come with the first ten seconds of traffic." : error.message);
    }
  }
}
