/* The admin's only script of ours: live parts, copying, local times,
   menus that close. Pages work without. */
"use strict";

(() => {
  /** Show each instant in the viewer's zone; UTC stays in its title. */
  const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  const localise = (root) => {
    for (const time of root.querySelectorAll("time[data-local]")) {
      const instant = new Date(time.dateTime);
      const isToday = instant.toDateString() === new Date().toDateString();
      const short = isToday ? clock : day;
      time.textContent = (time.dataset.local === "clock" ? short : full).format(instant);
    }
  };

  const showCopyButtons = (root) => {
    for (const button of root.querySelectorAll("button[data-copy]")) {
      button.hidden = !navigator.clipboard;
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });

  /** A filter is a menu: it closes when something else is clicked, or by Escape. */
  const closeFilters = (except) => {
    for (const menu of document.querySelectorAll("details.filter[open]")) {
      if (menu !== except) menu.open = false;
    }
  };
  document.addEventListener("click", (event) => closeFilters(event.target.closest("details.filter")));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeFilters(null);
  });

  /** What is typed leaves the entries of a list that have it; Enter opens the first one. */
  for (const field of document.querySelectorAll("input[data-narrows]")) {
    const entries = [...document.getElementById(field.dataset.narrows).children];
    field.hidden = false;
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      for (const entry of entries) entry.hidden = !entry.textContent.toLowerCase().includes(wanted);
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") entries.find((entry) => !entry.hidden)?.querySelector("a").click();
    });
  }

  /** On a phone the menu is a row that scrolls: the page that is open is in sight. */
  const here = document.querySelector("#menu [aria-current]");
  if (here) {
    const row = document.getElementById("menu");
    row.scrollLeft = here.offsetLeft + here.offsetWidth / 2 - row.clientWidth / 2;
  }

  /** Fetch the page again and take over its live parts, unless somebody is at work in one.
      What answered a form is at another address, which it names. */
  const refresh = async (address) => {
    const answer = await fetch(address, { headers: { "X-Live": "1" } });
    // The session has ended: nothing of the page stays on an abandoned screen.
    const leadsToLogin = answer.redirected && new URL(answer.url).pathname === "/admin/login/";
    if (answer.status === 401 || leadsToLogin) {
      // To go where the page is already, with a place behind `#`, would load nothing.
      if (address === location.href) location.reload();
      else location.assign(address);
      return;
    }
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const successor = fresh.getElementById(part.id);
      const busy = part.contains(document.activeElement) || part.querySelector("details[open]");
      if (!successor || busy) continue;
      part.replaceChildren(...successor.childNodes);
      localise(part);
      showCopyButtons(part);
    }
  };

  const live = document.querySelector("[data-live]");
  if (live) {
    const every = Math.max(2, Number(live.dataset.live) || 5) * 1000;
    const tick = async () => {
      if (!document.hidden) {
        try { await refresh(live.dataset.liveAt || location.href); } catch { /* the next one may succeed */ }
      }
      setTimeout(tick, every);
    };
    setTimeout(tick, every);
  }

  localise(document);
  showCopyButtons(document);
})();
