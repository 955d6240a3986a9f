// What runs, on every tab: how far it is, the time to go, a way to it and a way to stop it. It reads the progress bars of
// the page, so it shows what this window started or has seen; the window's title says how far the first one is.

const RUNNING = ["running", "queued"];

// Seconds to go by the share done since it was first seen: {share, at} then and now, `at` in seconds; null where unknown.
export function secondsToGo(first, now) {
  const done = now.share - first.share, spent = now.at - first.at;
  return done > 0.005 && spent > 1 ? (spent * (1 - now.share)) / done : null;
}

export function timeInWords(seconds) {
  if (seconds === null) return "";
  if (seconds < 90) return Math.max(1, Math.round(seconds)) + " s to go";
  return seconds < 5400 ? Math.round(seconds / 60) + " min to go" : (seconds / 3600).toFixed(1) + " h to go";
}

export const titleOf = (jobs, name) => (jobs.length && jobs[0].share !== null ? Math.floor(100 * jobs[0].share) + " % · " : "") + name;

export class Tray {
  constructor(win, place) {
    this.win = win;
    this.place = place; // the tray's element
    this.first = new Map(); // by the bar's element: {share, at} when it was first seen running
    this.drawn = "";
  }

  // The running jobs of the page, in the order of its tabs: {row, tab, share, words}.
  jobs() {
    const { document } = this.win, at = this.win.performance.now() / 1000, found = [];
    for (const row of document.querySelectorAll(".fs-job")) {
      const said = row.querySelector(".fs-bar-text"), bar = row.querySelector(".fs-bar");
      if (!said || !RUNNING.includes(said.dataset.status)) { this.first.delete(row); continue; }
      const most = Number(bar.getAttribute("aria-valuemax")), share = most ? Number(bar.getAttribute("aria-valuenow")) / most : null;
      const known = this.first.get(row);
      if (share !== null && (!known || known.share > share)) this.first.set(row, { share, at });
      const to = share === null ? null : secondsToGo(this.first.get(row), { share, at });
      const panel = row.closest("[role=tabpanel]"), tab = panel && document.querySelector("[role=tab][aria-controls='" + panel.id + "']");
      if (tab) found.push({ row, tab, share, words: timeInWords(to) });
    }
    return found;
  }

  draw() {
    const jobs = this.jobs(), name = this.win.document.title.replace(/^\d+ % · /, ""), title = titleOf(jobs, name);
    if (this.win.document.title !== title) this.win.document.title = title;
    const said = jobs.map(({ tab, share, words }) => [tab.textContent.trim(), share === null ? "" : Math.floor(100 * share) + " %", words].filter(Boolean).join(" · "));
    if (said.join("|") === this.drawn) return;
    this.ended(said.length);
    this.drawn = said.join("|");
    this.place.replaceChildren(...jobs.map(({ row, tab }, i) => this.item(said[i], row, tab)));
  }

  item(text, row, tab) {
    const { document } = this.win, item = document.createElement("span"), open = document.createElement("button"), stop = document.createElement("button");
    item.className = "fs-tray-job";
    Object.assign(open, { type: "button", textContent: text, title: "Open " + tab.textContent.trim() });
    Object.assign(stop, { type: "button", textContent: "×", title: "Stop it" });
    stop.setAttribute("aria-label", "Stop: " + text);
    open.addEventListener("click", () => tab.click());
    stop.addEventListener("click", () => { const button = row.querySelector("button.fs-job-stop, .fs-job-stop button"); if (button) button.click(); });
    item.append(open, stop);
    return item;
  }

  // A notice of the system when the last job is over and the window is not looked at, if it was allowed.
  ended(running) {
    const { Notification, document } = this.win;
    if (running || !this.drawn || !document.hidden || !Notification || Notification.permission !== "granted") return;
    new Notification("Flawsmith", { body: "Done: " + this.drawn.split(" · ")[0] });
  }
}

if (typeof window !== "undefined") {
  let tray = null;
  setInterval(() => {
    const place = document.querySelector("#fs-tray");
    if (!place) return;
    if (!tray || tray.place !== place) tray = new Tray(window, place);
    tray.draw();
  }, 700);
}
