// After a join command was made: ticks itself off while the host comes.

import { h, write } from "./dom.js";
import { boot, keys } from "./page.js";

const { given, store } = boot();
keys(given.keys);
const place = document.getElementById("live-joining");
const before = new Set(store.nodes.keys());

if (place) {
  const words = h("span");
  const link = h("a", { class: "x-link", hidden: true }, "Open it");
  place.replaceChildren(words, " ", link);
  const update = () => {
    const found = given.node ? [given.node] : [...new Set([...store.nodes.keys(), ...Object.keys(store.tree.nodes).map(Number)])].filter((pk) => !before.has(pk));
    const node = found.find((pk) => store.node(pk)) ?? found[0];
    const state = node && store.node(node);
    const name = state?.name ?? store.nodes.get(node)?.name ?? "the host";
    const isThere = Boolean(state?.connected);
    place.className = `x-note x-${isThere ? "good" : "warn"}`;
    write(words, isThere ? `✓ ${name} is connected.` : state?.standing === "waiting" ? `${name} has joined and waits for approval.` : "Waiting for the host to join …");
    link.hidden = !node || !store.nodes.get(node)?.link;
    if (!link.hidden) link.href = store.nodes.get(node).link;
  };
  store.addEventListener("change", update);
  store.addEventListener("map", update);
  update();
}
