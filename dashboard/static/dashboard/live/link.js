// The connection to the panel: messages in, acknowledgements and wishes out. It comes back by itself, and says when it is gone.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const HIDDEN_MS = 60_000;               // a page that nobody looks at for so long costs nothing any more
const SILENT_MS = 20_000;               // a connection that stands still is taken for lost

export class Link extends EventTarget {
  // `path` is below this host: "/ws/live/".
  constructor(path) {
    super();
    this.address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
    this.wish = undefined;
    this.expects = () => false;         // whether somebody should be heard of once a second
    this.tries = 0;
    this.timer = 0;
    document.addEventListener("visibilitychange", () => this.lookedAt());
    addEventListener("online", () => this.hurry());
    addEventListener("pagehide", () => this.socket?.close());
    addEventListener("pageshow", (event) => { if (event.persisted) this.hurry(); });
  }

  start() {
    clearTimeout(this.timer);
    this.timer = 0;
    const socket = new WebSocket(this.address);
    this.socket = socket;
    socket.onopen = () => {
      if (this.wish !== undefined) this.send({ watch: this.wish });
    };
    socket.onmessage = (event) => {
      if (socket !== this.socket) return;
      this.watchSilence();
      const message = JSON.parse(event.data);
      if (message.type === "full" || message.type === "patch") {
        this.send({ ack: message.version });
        if (this.tries || message.type === "full") this.tell("open");
        this.tries = 0;
      }
      this.dispatchEvent(new CustomEvent("message", { detail: message }));
    };
    socket.onclose = () => {
      if (socket !== this.socket) return;
      clearTimeout(this.silence);
      this.socket = null;
      if (document.hidden && this.isResting) return;
      this.again();
    };
    this.watchSilence();
  }

  again() {
    this.tries += 1;
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(this.tries - 1, 6));
    const wait = longest * (0.5 + Math.random() / 2);
    this.tell("lost", { tries: this.tries, wait });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.start(), wait);
    if (this.tries === 3) this.askWhy();
  }

  // A session that ended looks like a connection that fails: the page itself says which it is.
  async askWhy() {
    const answer = await fetch(location.href, { method: "HEAD", redirect: "manual" }).catch(() => null);
    if (answer && (answer.type === "opaqueredirect" || answer.status === 403)) this.tell("out");
  }

  watchSilence() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => { if (this.expects()) this.socket?.close(); }, SILENT_MS);
  }

  hurry() {
    this.tries = 0;
    if (!this.socket) this.start();
  }

  lookedAt() {
    clearTimeout(this.hiding);
    if (document.hidden) {
      this.hiding = setTimeout(() => {
        this.isResting = true;
        clearTimeout(this.timer);
        this.socket?.close();
      }, HIDDEN_MS);
    } else {
      this.isResting = false;
      this.hurry();
    }
  }

  // null: nothing beside the state.
  watch(wish) {
    this.wish = wish;
    this.send({ watch: wish });
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  tell(state, more = {}) {
    this.dispatchEvent(new CustomEvent("state", { detail: { state, ...more } }));
  }
}
