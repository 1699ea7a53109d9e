// Replaces what is live on the page every two seconds, unless somebody selects text.
"use strict";

const PERIOD = 2000;

async function refresh() {
  const response = await fetch(window.location.href, { cache: "no-store" });
  if (!response.ok) throw new Error(String(response.status));
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById("live");
  const shown = document.getElementById("live");
  if (fresh.innerHTML === shown.innerHTML) return;
  const scrolled = [...shown.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  const focused = document.activeElement?.getAttribute("href");
  shown.replaceWith(fresh);
  fresh.querySelectorAll(".scroll").forEach((box, index) => {
    box.scrollLeft = scrolled[index] ?? 0;
  });
  if (focused) fresh.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

async function loop() {
  const busy = document.hidden || !window.getSelection().isCollapsed;
  if (!busy) {
    try {
      await refresh();
      document.getElementById("lost").hidden = true;
    } catch {
      document.getElementById("lost").hidden = false;
    }
  }
  setTimeout(loop, PERIOD);
}

setTimeout(loop, PERIOD);
