// One stretch of a lane: as wide as what moves on it (by its logarithm), moving as the bytes do, broken where it is broken.

import { classes, h, svg, write } from "./dom.js";
import { rate } from "./format.js";

const LEAST_RATE = 1;               // bytes a second that count as moving
const WIDEST_PX = 7;
const APART = 10;                   // of a hundred, from the middle to each direction, where one line has all the height

// 1.2 px at a byte a second, about 7 at a gigabyte.
export function width(perSecond) {
  return perSecond < LEAST_RATE ? 0 : Math.min(WIDEST_PX, 1.2 + 0.28 * Math.log2(1 + perSecond / 64));
}

export class Edge {
  // `ends`: [from, to] as shares of the height, 0 to 1, one pair for each line that comes together here.
  constructor(ends, { label = false } = {}) {
    this.ends = ends;
    this.strands = ends.map(() => [
      svg("path", { class: "x-strand x-rail" }), svg("path", { class: "x-strand x-up" }), svg("path", { class: "x-strand x-down" }),
    ]);
    this.picture = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" }, ...this.strands.flat());
    this.label = label ? h("span", { class: "x-edge-label" }) : null;
    this.element = h("div", { class: "x-edge" }, this.picture, this.label);
    this.turn(false);
  }

  // On a phone lanes run from top to bottom.
  turn(isUpright) {
    this.ends.forEach(([from, to], number) => {
      const [rail, up, down] = this.strands[number];
      const apart = isUpright ? 7 : APART / this.ends.length;
      const between = (aside) => {
        const [a, b] = [from * 100 + aside, to * 100 + aside];
        return isUpright ? `M${50 + aside} 0L${50 + aside} 100` : a === b ? `M0 ${a}L100 ${a}` : `M0 ${a}C50 ${a} 50 ${b} 100 ${b}`;
      };
      rail.setAttribute("d", between(0));
      up.setAttribute("d", between(apart));
      down.setAttribute("d", between(-apart));
    });
  }

  // `rates`: [up, down] for each line. `state`: "", "broken", "idle" (it is not known, or off).
  update(rates, state, text = "") {
    classes(this.element, `x-edge${state ? ` x-edge-${state}` : ""}`);
    this.strands.forEach(([, up, down], number) => {
      const [upRate, downRate] = state ? [0, 0] : rates[number] || [0, 0];
      stroke(up, upRate);
      stroke(down, downRate);
    });
    if (this.label) write(this.label, text);
  }
}

function stroke(path, perSecond) {
  const wide = width(perSecond);
  const told = wide.toFixed(1);
  if (path.dataset.wide === told) return;
  path.dataset.wide = told;
  path.style.strokeWidth = told;
  path.style.display = wide ? "" : "none";
}

export const rates = (up, down) => `↓ ${rate(down)}  ↑ ${rate(up)}`;
