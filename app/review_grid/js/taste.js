// How a person likes to look at samples: kept by the browser.

const KEY = "flawsmith-review";
const USUAL = { view: "slider", outline: true, zoom: false, real: false };

export class Taste {
  constructor(root, compare, lineup) {
    this.root = root;
    this.compare = compare;
    this.lineup = lineup;
    this.now = { ...USUAL, ...JSON.parse(localStorage.getItem(KEY) || "{}") };
    this.paint();
  }

  set(name, value) {
    this.now[name] = value;
    localStorage.setItem(KEY, JSON.stringify(this.now));
    this.paint();
  }

  flip(name) { this.set(name, name === "view" ? (this.now.view === "side" ? "slider" : "side") : !this.now[name]); }

  paint() {
    const { root, compare, now } = this;
    root.classList.toggle("fsb-outlined", now.outline);
    if (compare.mode !== now.view || !compare.stage.dataset.view) compare.setMode(now.view);
    if (compare.zoomed !== now.zoom) compare.setZoom(now.zoom);
    if (this.lineup.withReal !== now.real) this.lineup.setReal(now.real);
    for (const b of root.querySelectorAll("[data-view].fsb-button")) b.setAttribute("aria-pressed", String(b.dataset.view === now.view));
    for (const b of root.querySelectorAll("[data-toggle]")) b.setAttribute("aria-pressed", String(now[b.dataset.toggle]));
  }
}
