// How many changes are not published: asked for where the page did not know it. Without scripts the bar says "Changes".
"use strict";

document.querySelectorAll("[data-publish-bar]:not([data-known])").forEach(async (bar) => {
  bar.setAttribute("data-known", "");           // the script may stand in the page more than once
  const answer = await fetch(bar.dataset.publishBar, { headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer || !answer.ok) return;
  const { count } = await answer.json();
  if (count === 0) bar.remove();
  else if (count) bar.querySelector("[data-count]").textContent = count === 1 ? "1 change" : `${count} changes`;
});
