// A chart of what moved: down filled, up as a line, mean and peak told, the value under the pointer shown with its time.

import { bytes, clock, count, rate } from "./format.js";
import { h, svg, write } from "./dom.js";

const HEIGHT = 150;
const LEFT = 70;
const BOTTOM = 20;
const TOP = 8;
const GRID_LINES = 2;

export class Chart {
  // `length`: seconds that are shown. `asRate`: points are per second, else they are amounts of a step each.
  constructor(place, { label, length, asRate = true }) {
    this.length = length;
    this.show = asRate ? rate : bytes;
    this.points = [];
    this.end = 0;
    this.lines = svg("g", { class: "x-chart-lines" });
    this.area = svg("path", { class: "x-chart-down" });
    this.line = svg("path", { class: "x-chart-up" });
    this.mean = svg("line", { class: "x-chart-mean" });
    this.times = svg("g", { class: "x-chart-times" });
    this.pointer = svg("line", { class: "x-chart-pointer", visibility: "hidden" });
    this.picture = svg("svg", { class: "x-chart", height: HEIGHT, width: "100%", role: "img", "aria-label": label },
      this.lines, this.times, this.area, this.line, this.mean, this.pointer);
    this.note = h("p", { class: "x-chart-note x-small x-quiet" });
    this.tip = h("div", { class: "x-chart-tip", hidden: true });
    place.replaceChildren(
      h("div", { class: "x-chart-legend x-small" },
        h("span", { class: "x-key-down" }, "down"), h("span", { class: "x-key-up" }, "up"), this.note),
      h("div", { class: "x-chart-frame" }, this.picture, this.tip));
    new ResizeObserver(() => this.draw()).observe(this.picture);
    this.picture.addEventListener("pointermove", (event) => this.point(event));
    this.picture.addEventListener("pointerleave", () => this.point(null));
  }

  // [at, up, down, ...more]; the end is now.
  update(points, end, length = this.length) {
    this.points = points;
    this.end = end;
    this.length = length;
    this.draw();
  }

  draw() {
    const width = this.picture.clientWidth;
    if (!width) return;
    const start = this.end - this.length;
    const shown = this.points.filter((point) => point[0] >= start);
    const peak = shown.reduce((most, point) => Math.max(most, point[1], point[2]), 0);
    const top = ceiling(peak);
    const inner = HEIGHT - BOTTOM - TOP;
    this.x = (at) => LEFT + ((at - start) / this.length) * (width - LEFT);
    const y = (value) => TOP + inner - (value / top) * inner;
    this.drawGrid(width, top, y);
    this.drawTimes(start, width);
    const path = (index) => shown.map((point, number) => `${number ? "L" : "M"}${this.x(point[0]).toFixed(1)} ${y(point[index]).toFixed(1)}`).join("");
    const base = (TOP + inner).toFixed(1);
    const down = path(2);
    this.area.setAttribute("d", shown.length > 1 ? `${down}L${this.x(shown.at(-1)[0]).toFixed(1)} ${base}L${this.x(shown[0][0]).toFixed(1)} ${base}Z` : "");
    this.line.setAttribute("d", shown.length > 1 ? path(1) : "");
    const mean = shown.length ? shown.reduce((sum, point) => sum + point[2], 0) / shown.length : 0;
    for (const [name, value] of Object.entries({ x1: LEFT, x2: width, y1: y(mean), y2: y(mean) })) this.mean.setAttribute(name, value);
    this.mean.setAttribute("visibility", peak ? "visible" : "hidden");
    const most = shown.reduce((best, point) => Math.max(best, point[2]), 0);
    write(this.note, shown.length > 1 ? `down: mean ${this.show(mean)}, peak ${this.show(most)}` : "nothing is known yet");
    this.shown = shown;
    if (this.last) this.point(this.last);
  }

  drawGrid(width, top, y) {
    const lines = [];
    for (let number = 0; number <= GRID_LINES; number += 1) {
      const value = (top * number) / GRID_LINES;
      lines.push(svg("line", { x1: LEFT, x2: width, y1: y(value), y2: y(value) }),
        svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, this.show(value)));
    }
    this.lines.replaceChildren(...lines);
  }

  drawTimes(start, width) {
    const wanted = width < 500 ? 2 : 4;
    const times = [];
    for (let number = 0; number <= wanted; number += 1) {
      const at = start + (this.length * number) / wanted;
      const anchor = number === 0 ? "start" : number === wanted ? "end" : "middle";
      times.push(svg("text", { x: this.x(at), y: HEIGHT - 5, "text-anchor": anchor }, this.timeWords(at, number === wanted)));
    }
    this.times.replaceChildren(...times);
  }

  timeWords(at, isLast) {
    if (this.length <= 300) return isLast ? "now" : `${count(this.end - at)} s ago`;
    if (this.length > 86_400) return clock(at, { now: at + 2 * 86_400 }).slice(5, 10);
    return clock(at, { now: at });
  }

  point(event) {
    this.last = event;
    if (!event || !this.shown?.length) {
      this.pointer.setAttribute("visibility", "hidden");
      this.tip.hidden = true;
      return;
    }
    const box = this.picture.getBoundingClientRect();
    const at = this.end - this.length + ((event.clientX - box.left - LEFT) / (box.width - LEFT)) * this.length;
    const near = this.shown.reduce((best, point) => (Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best));
    const x = this.x(near[0]);
    for (const [name, value] of Object.entries({ x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM, visibility: "visible" })) {
      this.pointer.setAttribute(name, value);
    }
    const time = clock(near[0], { seconds: this.length <= 3600, now: this.length > 86_400 ? 0 : near[0] });
    this.tip.replaceChildren(h("strong", {}, time), h("span", {}, `down ${this.show(near[2])}`), h("span", {}, `up ${this.show(near[1])}`));
    this.tip.hidden = false;
    this.tip.style.left = `${Math.min(Math.max(x - this.tip.offsetWidth / 2, 0), box.width - this.tip.offsetWidth)}px`;
  }
}

// The next round number of a scale by powers of two, so that bytes are told evenly.
export function ceiling(value) {
  if (value <= 1024) return 1024;
  const power = 2 ** Math.floor(Math.log2(value));
  return value <= power ? power : value <= power * 1.5 ? power * 1.5 : power * 2;
}
