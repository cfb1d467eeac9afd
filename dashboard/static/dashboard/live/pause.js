// Pausing a tunnel: it takes no new clients until somebody resumes it. Asked first, undone by the same button.

import { Refused, ask, call } from "./ask.js";
import { set, write } from "./dom.js";
import { clock, many } from "./format.js";
import { laneState } from "./map.js";
import { choose, toast } from "./page.js";

export class Pause {
  // `button` is null for who may not; `lane()` gives the tunnel as the map has it now, `renew()` asks for the map anew.
  constructor(button, note, store, lane, renew) {
    Object.assign(this, { button, note, store, lane, renew });
    button?.addEventListener("click", () => this.act());
    store.addEventListener("map", () => this.update());
    this.update();
  }

  get isPaused() {
    return Boolean(this.lane()?.paused || laneState(this.store, this.lane())?.paused);
  }

  update() {
    const lane = this.lane();
    if (!lane) return;
    const { isPaused } = this;
    if (this.button) {
      this.button.hidden = false;
      write(this.button, isPaused ? "Resume" : "Pause");
    }
    this.note.hidden = !isPaused;
    if (!isPaused) return;
    const who = lane.paused?.by ? ` by ${lane.paused.by}` : "";
    const since = lane.paused ? ` since ${clock(lane.paused.since)}` : "";
    const state = laneState(this.store, lane);
    const rest = !state ? "Its worker will know as soon as it is there." : state.sessions ? `${many(state.sessions, "session")} that ran go on.` : "";
    write(this.note, `Paused${who}${since}: new clients are refused, its bridges stay connected. ${rest}`.trim());
  }

  async act() {
    const lane = this.lane();
    if (!lane) return;              // it was removed meanwhile
    const end = { instance: lane.place, kind: lane.portal ? "portal" : "bridge", tunnel: (lane.portal || lane.bridges[0]).tag };
    const what = this.isPaused ? "resume" : "pause";
    const chosen = what === "pause" ? await this.choose(lane) : "resume";
    if (!chosen) return;
    set(this.button, "disabled", true);
    try {
      await call("POST", `/api/v1/tunnels/${what}/`, end);
      const { closed } = chosen === "close" ? await ask(end.instance, "close", { tunnel: end.tunnel, kind: end.kind, everything: true }) : {};
      const name = lane.service || lane.name;
      toast(what === "resume" ? `${name} takes new clients again.` : `${name} takes no new clients.${closed === undefined ? "" : ` ${many(closed, "session")} closed.`}`);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      toast(error.message, "bad");
    }
    await this.renew();
    set(this.button, "disabled", false);
    this.update();
  }

  choose(lane) {
    const sessions = laneState(this.store, lane)?.sessions || 0;
    const doors = lane.doors.map((door) => door.listen || door.key).slice(0, 4).join(", ");
    const buttons = [{ words: "Pause", value: "pause" }];
    if (sessions) buttons.push({ words: `Pause and close ${many(sessions, "session")}`, value: "close", danger: true });
    return choose(
      `Pause ${lane.service || lane.name}`,
      `New clients are refused${doors ? ` at ${doors}` : ""} from the next second on, until somebody resumes it. ${sessions ? `${many(sessions, "session")} of now may go on. ` : ""}`
      + "Its bridges stay connected. Nothing has to be published, and no document changes.",
      buttons);
  }
}
