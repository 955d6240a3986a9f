// Several pictures side by side, at one crop size and zoom: two to four samples, and real anomalies of the label.

import { escaped } from "./facts.js";

export const MOST = 4;
const NEAREST = 8; // times that the wheel enlarges at most

// The square [x, y, side] about the middle of the anomaly's box, `side` long, moved onto the picture where it has room.
export function square({ width, height, outline: { box } }, side) {
  const corner = (low, high, length) => {
    const start = (low + high - side) / 2;
    return length <= side ? (length - side) / 2 : Math.min(Math.max(start, 0), length - side);
  };
  return [corner(box[0], box[2], width), corner(box[1], box[3], height), side];
}

// One side for all, so that sizes can be compared: the largest close-up among them.
export const commonSide = (pictures) => Math.max(...pictures.map(({ crop }) => Math.max(crop[2] - crop[0], crop[3] - crop[1])));

export function lineupHtml(pictures, zoom) {
  const side = commonSide(pictures) / zoom;
  return pictures.map((one) => {
    const [x, y, length] = square(one, side), words = one.real ? "real: " + one.label : one.label + ", " + one.engine;
    return "<figure" + (one.real ? " class='fsb-real'" : "") + "><svg viewBox='" + [x, y, length, length].join(" ") + "' role='img' aria-label='" +
      escaped(words) + "'><image href='" + escaped(one.image) + "' width='" + one.width + "' height='" + one.height + "'/><path class='fsb-line' d='" +
      escaped(one.outline.path) + "'/></svg><figcaption><b>" + escaped(words) + "</b>" +
      (one.believable === undefined ? "" : " <span class='fs-quiet'>believability " + one.believable.toFixed(2) + "</span>") + "</figcaption></figure>";
  }).join("");
}

export class Lineup {
  // real(sample): real anomalies of the sample's label, a promise.
  constructor(root, real) {
    this.root = root;
    this.place = root.querySelector(".fsb-lineup");
    this.real = real;
    this.known = new Map(); // real anomalies by label
    this.withReal = false;
    this.samples = [];
    this.zoom = 1;
    this.place.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom = Math.min(NEAREST, Math.max(0.25, this.zoom * Math.exp(-event.deltaY * 0.0015)));
      this.paint();
    }, { passive: false });
  }

  setReal(on) {
    this.withReal = on;
    this.show(this.samples);
  }

  // The samples that are chosen; one alone has a stage of its own, unless real ones are wanted beside it.
  show(samples) {
    const same = samples.map(({ id }) => id).join() === this.samples.map(({ id }) => id).join();
    this.samples = samples;
    if (!same) this.zoom = 1;
    this.paint();
    const [first] = samples;
    if (this.withReal && first && !this.known.has(first.label)) this.fetch(first);
  }

  async fetch(sample) {
    this.known.set(sample.label, []);
    const found = await this.real(sample);
    this.known.set(sample.label, found || []);
    this.paint();
  }

  paint() {
    const { samples } = this, real = this.withReal && samples.length ? this.known.get(samples[0].label) || [] : [];
    const on = samples.length > 0 && samples.length <= MOST && (samples.length > 1 || this.withReal);
    this.root.classList.toggle("fsb-several", on);
    const shown = [...samples, ...real.slice(0, Math.max(1, MOST - samples.length))];
    this.place.dataset.count = String(shown.length);
    this.place.innerHTML = on ? lineupHtml(shown, this.zoom) + (this.withReal && !real.length ? "<p class='fs-quiet'>No real anomaly of this label.</p>" : "") : "";
  }
}
