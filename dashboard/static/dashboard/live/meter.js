// Rates of counters, smoothed over some seconds, by the clock of who counted.

export const SMOOTHED_S = 3;
const LEAST_S = 0.8;                // what came in less time is no rate yet

export class Meter {
  constructor() {
    this.samples = [];          // [at, counters], oldest first
  }

  // A counter that fell belongs to a process that began anew: what was before says nothing.
  add(at, counters) {
    const last = this.samples.at(-1);
    if (last && at <= last[0]) this.samples.pop();
    else if (last && counters.some((value, index) => value < last[1][index])) this.samples = [];
    this.samples.push([at, counters]);
    while (this.samples.length > 2 && this.samples[1][0] <= at - SMOOTHED_S) this.samples.shift();
  }

  get isReady() {
    return this.samples.length > 1 && this.samples.at(-1)[0] - this.samples[0][0] >= LEAST_S;
  }

  // Per second, one number for each counter.
  rates() {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    if (!first || last[0] <= first[0]) return last ? last[1].map(() => 0) : [0, 0, 0];
    return last[1].map((value, index) => (value - first[1][index]) / (last[0] - first[0]));
  }
}
