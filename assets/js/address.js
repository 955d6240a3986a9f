// The address names the project's folder and the tab, so that reload, bookmarks, a second window, Back and Forward work.

const SETTLED_MS = 1500; // after the page has arrived, what changes is a person's doing

export const addressOf = (project, tab) => "#/" + encodeURIComponent(project) + "/" + tab;

// {project, tab} of an address, or null where it names none.
export function placeOf(hash) {
  const found = /^#\/([^/]*)\/([a-z]+)$/.exec(hash);
  try {
    return found && { project: decodeURIComponent(found[1]), tab: found[2] };
  } catch {
    return null;
  }
}

// Follows the page's tabs and header; `win` is the window.
export class Address {
  constructor(win) {
    this.win = win;
    this.began = 0;
  }

  // The tab in front and the project in the header; null while the page is not there yet.
  now() {
    const page = this.win.document, tab = page.querySelector("#fs-tabs [role=tab][aria-selected=true]");
    const project = page.querySelector("#fs-project [data-folder]");
    return tab && project ? { project: project.dataset.folder, tab: tab.dataset.tabId } : null;
  }

  // Called after every change of the page.
  follow() {
    const now = this.now(), { location, history, performance } = this.win;
    if (!now) return;
    this.began = this.began || performance.now();
    const address = addressOf(now.project, now.tab);
    if (location.hash === address) return;
    if (performance.now() - this.began < SETTLED_MS) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  }

  // Back or Forward: to the tab; to another project by loading the page anew.
  back() {
    const to = placeOf(this.win.location.hash), now = this.now();
    if (!to || !now) return;
    if (to.project !== now.project) { this.win.location.reload(); return; }
    const tabs = [...this.win.document.querySelectorAll("#fs-tabs [role=tab]")];
    const tab = tabs.find((one) => one.dataset.tabId === to.tab);
    if (tab && to.tab !== now.tab) tab.click();
  }
}

if (typeof window !== "undefined") {
  const address = new Address(window);
  let waiting = 0;
  const later = () => { if (!waiting) waiting = setTimeout(() => { waiting = 0; address.follow(); }, 60); };
  window.addEventListener("popstate", () => address.back());
  new MutationObserver(later).observe(document.documentElement, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["aria-selected", "data-folder"],
  });
}
