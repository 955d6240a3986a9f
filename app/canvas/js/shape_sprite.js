// One shape drawn at the screen's resolution with a broken outline: the mask that a click would give.

import { blankCanvas } from "./move.js";
import { boxBits, runsBox, runsHold } from "./runs.js";

const FILL = 0x4cffffff, LIGHT = 0xffffffff, DARK = 0xe0160f0c; // little-endian RGBA words
const DASH = 3; // bits: dashes of 8 device pixels

// What of a shape lies under each device pixel of the screen rectangle s: bytes of 0 and 1, (s.y1 - s.y0) rows.
// bits: the pixels of `box`; place: {scale, tx, ty} of the view.
export function sampledShape(bits, box, place, s) {
  const w = s.x1 - s.x0, h = s.y1 - s.y0, width = box.x1 - box.x0, out = new Uint8Array(w * h), columns = new Int32Array(w);
  for (let x = 0; x < w; x++) columns[x] = Math.floor((s.x0 + x + 0.5 - place.tx) / place.scale) - box.x0;
  for (let y = 0; y < h; y++) {
    const row = Math.floor((s.y0 + y + 0.5 - place.ty) / place.scale) - box.y0;
    if (row < 0 || row >= box.y1 - box.y0) continue;
    for (let x = 0; x < w; x++) if (columns[x] >= 0 && columns[x] < width) out[y * w + x] = bits[row * width + columns[x]];
  }
  return out;
}

// RGBA words of a sampled shape: a light fill, and dashes along its edge that show on any photo.
export function outlinedWords(shape, w, h) {
  const out = new Uint32Array(w * h);
  for (let y = 0, i = 0; y < h; y++) {
    for (let x = 0; x < w; x++, i++) {
      if (!shape[i]) continue;
      const inner = x > 0 && x < w - 1 && y > 0 && y < h - 1 && shape[i - 1] && shape[i + 1] && shape[i - w] && shape[i + w];
      out[i] = inner ? FILL : ((x + y) >> DASH) & 1 ? LIGHT : DARK;
    }
  }
  return out;
}

export class ShapeSprite {
  constructor(runs, width) {
    this.runs = runs;
    this.width = width;
    this.box = runsBox(runs, width);
    this.bits = this.box && boxBits(runs, this.box, width);
    this.drawn = null; // {key, canvas, x, y} for the view it was drawn for
  }

  // Whether the photo point p lies in the shape.
  holds(p) { return runsHold(this.runs, Math.floor(p.y) * this.width + Math.floor(p.x)); }

  draw(g, view) {
    const s = this.box && view.toScreen(this.box, 1), key = [view.scale, view.tx, view.ty, view.width, view.height].join();
    if (!s) return;
    if (!this.drawn || this.drawn.key !== key) {
      const w = s.x1 - s.x0, h = s.y1 - s.y0, canvas = blankCanvas(w, h), image = new ImageData(w, h);
      new Uint32Array(image.data.buffer).set(outlinedWords(sampledShape(this.bits, this.box, view, s), w, h));
      canvas.getContext("2d").putImageData(image, 0, 0);
      this.drawn = { key, canvas, x: s.x0, y: s.y0 };
    }
    g.drawImage(this.drawn.canvas, this.drawn.x, this.drawn.y);
  }
}
