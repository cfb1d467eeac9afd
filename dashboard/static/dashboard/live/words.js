// How it stands, in words: of a node, of an instance, of a tunnel. Pure: the store is only read.
//
// A judgement: { health, words, why }. Health is one of good, warn, bad, off (it should not run) and unknown; `words` is short
// enough for a badge, `why` a sentence for the list of problems, "" where there is nothing to tell.

import { count, host, many, milliseconds, span, clock } from "./format.js";

const ORDER = { bad: 0, warn: 1, unknown: 2, good: 3, off: 4 };
const WAITS_S = 20;             // a carrier that comes so soon after a start is nobody's problem

export const worse = (one, other) => ORDER[one.health] - ORDER[other.health];

const say = (health, words, why = "") => ({ health, words, why });

export function judgeNode(store, pk) {
  const meta = store.nodes.get(pk) || { name: `node ${pk}`, standing: "approved" };
  const node = store.node(pk);
  const standing = node?.standing ?? meta.standing;
  if (!node?.connected && standing !== "approved") return judgeStanding(store, { ...meta, standing });
  if (!store.isKnown) return say("unknown", "not known yet");
  if (!node || node.connected === false) {
    const seen = node?.seen || meta.seen;
    const since = seen ? ` for ${span(store.now() - seen)}` : "";
    return say("bad", `gone${since}`,
      `${meta.name} is not connected${since}. Its tunnels may still run: it serves from the documents that it has.`);
  }
  const skew = node.host?.clock_skew_s;
  if (Math.abs(skew || 0) > 30) {
    return say("warn", `clock off by ${span(Math.abs(skew))}`,
      `The clock of ${meta.name} is ${skew > 0 ? "ahead" : "behind"} by ${span(Math.abs(skew))}: VMess refuses more than two minutes.`);
  }
  if (store.isStale(pk)) return say("unknown", `heard of ${span(store.age(pk))} ago`);
  return say("good", "connected");
}

// Of a node that is not connected, since it may not be.
function judgeStanding(store, meta) {
  const runs = [...store.places.values()].filter((place) => place.node === meta.pk && place.enabled && place.number).length;
  switch (meta.standing) {
    case "waiting": return say("warn", "waits for approval", `${meta.name} has joined and waits for approval.`);
    case "paused": return say("off", "paused");
    case "revoked": return say("off", "revoked");
    default: return runs ? say("warn", "no agent yet", `${meta.name} has no agent yet, so ${many(runs, "instance")} cannot run there.`) : say("off", "no agent yet");
  }
}

export function judgeInstance(store, pk) {
  const place = store.places.get(Number(pk));
  if (!place) return say("unknown", "not known");
  if (!place.enabled) return say("off", "switched off");
  if (!place.number) return say("off", "never published");
  const judged = judgeNode(store, place.node);
  const node = { ...judged, words: `${store.nodes.get(place.node)?.name ?? "node"}: ${judged.words}` };
  const worker = store.worker(pk);
  if (node.health === "off" || (node.health === "bad" && !worker)) return say(node.health === "off" ? "off" : "unknown", node.words);
  if (node.health === "bad" || node.health === "unknown") return say("unknown", node.words);
  if (node.health === "warn" && !worker) return say("unknown", node.words);
  if (!worker || !worker.phase) return say("warn", "not running yet");
  return judgeWorker(store, place.name, worker);
}

function judgeWorker(store, name, worker) {
  const exit = worker.last_exit ? `: ${worker.last_exit}` : "";
  const problem = worker.problem ? `${worker.problem.path ? `${worker.problem.path}: ` : ""}${worker.problem.text || ""}` : "";
  switch (worker.phase) {
    case "starting": return say("warn", "starting", worker.last_exit ? `${name} is starting again${exit}.` : "");
    case "backing_off": return say("bad", `down${exit}`, `${name} is down${exit}. It starts again by itself.`);
    case "crash_loop":
      return say("bad", "keeps crashing", `${name} keeps crashing and is not started again${exit} (${many(worker.restarts || 0, "restart")}).`);
    case "refused": return say("bad", "cannot be run", `${name} cannot be run: ${problem || "its document was refused"}.`);
    case "stopping": return say("warn", "stopping");
    case "stopped": return say("off", "stopped");
    default:
  }
  if (worker.pending && worker.confirm_until) {
    const left = span(worker.confirm_until - store.now());
    return say("warn", `revision ${worker.pending} on probation`,
      `Revision ${worker.pending} of ${name} is on probation: in ${left} it stays, or goes back by itself.`);
  }
  if (problem) return say("warn", "newest not applied", `The newest revision of ${name} could not be applied, the one before runs on: ${problem}.`);
  return say("good", "running");
}

// Carriers that new sessions may go by: those of an earlier revision only carry on with what they have.
export function serving(state) {
  return Object.values(state?.carriers || {}).filter((carrier) => !carrier.leaving);
}

function leavingWords(state, carriers) {
  const old = Object.keys(state.carriers || {}).length - carriers.length;
  return old ? ` ${many(old, "carrier")} of an earlier revision ${old === 1 ? "goes" : "go"} on for the sessions that ${old === 1 ? "it has" : "they have"}.` : "";
}

// A tunnel: its portal, or the bridge where the portal is somebody else's.
export function judgeLane(store, lane) {
  const own = judgeInstance(store, lane.place);
  if (own.health !== "good" && own.health !== "warn") return say(own.health, own.words);
  if (!store.worker(lane.place)) return say(own.health, own.words);
  const paused = judgePause(store, lane);
  if (paused) return paused;
  const judged = lane.portal ? judgePortal(store, lane) : judgeBridge(store, lane.bridges[0], lane.name);
  return judged.health === "good" && own.health === "warn" ? say("warn", own.words) : judged;
}

// What runs counts; what somebody asked for is told while it is not so.
function judgePause(store, lane) {
  const state = store.end(lane.place, lane.portal ? "portal" : "bridge", (lane.portal || lane.bridges[0]).key);
  const carriers = Object.values(state?.carriers || {});
  if (state?.paused) return say("off", carriers.length ? `paused, ${carrierWords(carriers)}` : "paused, no bridge");
  if (!lane.paused || !state) return null;
  const isLate = store.now() - lane.paused.since > WAITS_S;
  const node = store.nodes.get(store.places.get(lane.place)?.node)?.name ?? "its node";
  return say("warn", "to be paused", isLate ? `${lane.name} is to be paused, but still takes clients: the agent on ${node} does not know how to, update it.` : "");
}

function judgePortal(store, lane) {
  const state = store.end(lane.place, "portal", lane.portal.key);
  if (!state) return say("warn", "not running yet");
  const carriers = serving(state);
  const suspects = carriers.filter((carrier) => carrier.health === "suspect").length;
  if (carriers.length && suspects === carriers.length) {
    return say("bad", "bridge does not answer", `${lane.name}: its bridge does not answer, though ${many(suspects, "carrier")} ${suspects === 1 ? "is" : "are"} open.`);
  }
  if (carriers.length) return say(suspects ? "warn" : "good", carrierWords(carriers, suspects));
  const far = farWords(store, lane);
  const old = leavingWords(state, carriers);
  if (!state.last_seen) {
    const age = store.now() - (store.worker(lane.place).since || 0);
    if (age < WAITS_S && !far) return say("warn", "waits for its bridge");
    const since = old ? "has come since the portal was changed" : "has come yet";
    return say(lane.bridges.length || old ? "bad" : "warn", "no bridge yet", `${lane.name}: no bridge ${since}.${far}${old}`);
  }
  const gone = span(store.now() - state.last_seen);
  const from = state.last_peer ? ` Last seen from ${host(state.last_peer)} at ${clock(state.last_seen)}.` : "";
  const why = !far && state.last_error ? ` ${sentence(state.last_error)}` : "";
  return say("bad", `no bridge for ${gone}`, `${lane.name}: no bridge for ${gone}.${from}${why}${far}${old}`);
}

function judgeBridge(store, bridge, name) {
  const state = store.end(bridge.place, "bridge", bridge.key);
  if (!state) return say("warn", "not running yet");
  const carriers = serving(state);
  if (carriers.length) return say("good", carrierWords(carriers, 0));
  const why = state.last_error ? `: ${state.last_error}` : "";
  const again = state.retry_at > store.now() ? ` It tries again in ${span(state.retry_at - store.now())}.` : "";
  const tries = state.failures > 1 ? ` ${count(state.failures)} attempts failed.` : "";
  return say("bad", "does not reach its portal", `${name} does not reach its portal${why}.${tries}${again}${leavingWords(state, carriers)}`);
}

// Why a bridge of ours is not there, as far as it says so itself.
function farWords(store, lane) {
  for (const bridge of lane.bridges) {
    const place = store.places.get(bridge.place);
    const far = judgeInstance(store, bridge.place);
    if (far.why) return ` ${far.why}`;
    if (far.health === "off") return ` Its bridge ${place?.name ?? ""} is ${far.words}.`;
    const node = judgeNode(store, place?.node);
    if (node.health === "bad") return ` Its bridge is on ${store.nodes.get(place.node)?.name}, which is ${node.words}.`;
    const state = store.end(bridge.place, "bridge", bridge.key);
    if (state && !serving(state).length && state.last_error) {
      const again = state.retry_at > store.now() ? ` It tries again in ${span(state.retry_at - store.now())}.` : "";
      return ` The bridge says: ${state.last_error}.${again}`;
    }
  }
  return "";
}

export function carrierWords(carriers, suspects = 0) {
  const rtts = carriers.map((carrier) => carrier.rtt_ms).filter((value) => value !== undefined);
  const rtt = rtts.length ? `, ${milliseconds(Math.min(...rtts))}` : "";
  return `${many(carriers.length, "carrier")}${suspects ? `, ${suspects} silent` : ""}${rtt}`;
}

// Everything that needs a person, worst first: { key, health, text, lane | place | node }.
export function problems(store, lanes) {
  if (!store.isKnown) return [];
  const found = [];
  const told = new Set();
  for (const node of store.nodes.values()) {
    const judged = judgeNode(store, node.pk);
    if (judged.why) found.push({ key: `node/${node.pk}`, health: judged.health, text: judged.why, node: node.pk });
  }
  for (const lane of lanes) {
    const judged = judgeLane(store, lane);
    if (!judged.why) continue;
    found.push({ key: `lane/${lane.key}`, health: judged.health, text: judged.why, lane });
    for (const bridge of lane.bridges) if (judged.why.includes(judgeInstance(store, bridge.place).why)) told.add(bridge.place);
  }
  for (const place of store.places.values()) {
    const judged = judgeInstance(store, place.pk);
    if (judged.why && !told.has(place.pk)) found.push({ key: `place/${place.pk}`, health: judged.health, text: judged.why, place: place.pk });
  }
  return found.sort(worse);
}

export function sentence(text) {
  const trimmed = String(text).trim();
  return trimmed ? `${trimmed[0].toUpperCase()}${trimmed.slice(1)}${/[.!?]$/.test(trimmed) ? "" : "."}` : "";
}
