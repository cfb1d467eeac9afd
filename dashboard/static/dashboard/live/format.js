// Numbers for people: with unit, and never wider than a width that is known, so that nothing jumps once a second.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(value) {
  let unit = 0;
  let shown = Math.max(0, value || 0);
  while (shown >= 999.5 && unit < UNITS.length - 1) {
    shown /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || shown >= 99.95 ? 0 : shown >= 9.995 ? 1 : 2;
  return `${shown.toFixed(digits)} ${UNITS[unit]}`;
}

export const rate = (perSecond) => `${bytes(perSecond)}/s`;

export const count = (value) => Math.round(value || 0).toLocaleString("en-US");

export function perSecond(value) {
  return `${value >= 9.95 || value === 0 ? count(value) : value.toFixed(1)}/s`;
}

// "4 s", "3 min", "2 h", "5 d": one unit is enough for an age.
export function span(seconds) {
  const s = Math.max(0, seconds);
  if (s < 99.5) return `${Math.round(s)} s`;
  if (s < 99.5 * 60) return `${Math.round(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} d`;
}

export function milliseconds(value) {
  if (value === undefined || value === null) return "–";
  if (value < 0.05) return "<0.1 ms";
  return value >= 1000 ? `${(value / 1000).toFixed(1)} s` : `${value >= 9.95 ? value.toFixed(0) : value.toFixed(1)} ms`;
}

export const percent = (share) => `${(100 * (share || 0)).toFixed(share < 0.0995 ? 1 : 0)} %`;

const two = (number) => String(number).padStart(2, "0");

// Of a Unix time, in the time zone of who looks; the day only where it is not today.
export function clock(at, { seconds = false, now = Date.now() / 1000 } = {}) {
  const moment = new Date(at * 1000);
  const today = new Date(now * 1000);
  const time = `${two(moment.getHours())}:${two(moment.getMinutes())}${seconds ? `:${two(moment.getSeconds())}` : ""}`;
  if (moment.toDateString() === today.toDateString()) return time;
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())} ${time}`;
}

export const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;

// The host of "198.51.100.7:4711" or "[::1]:4711".
export function host(address) {
  const found = /^\[(.*)\](?::\d+)?$|^([^:]*)(?::\d+)?$/.exec(address || "");
  return found ? found[1] ?? found[2] : address || "";
}

const regions = new Intl.DisplayNames(["en"], { type: "region", fallback: "none" });
const countries = new Map();

// "Germany" for "DE"; a code that nobody has is its own name.
export function country(code) {
  let name = countries.get(code);
  if (name === undefined) {
    try {
      name = regions.of(code) ?? code;
    } catch {
      name = code;
    }
    countries.set(code, name);
  }
  return name;
}
