// Magic wand: the connected pixels that are about as bright and coloured as the one pressed; dragging right takes more.

import { LiveStep } from "./live_step.js";
import { blankCanvas } from "./move.js";
import { encodeRuns } from "./runs.js";

const DRAG = 3; // CSS pixels for one level of tolerance
const AROUND = 1; // photo pixels around the pressed one that its colour is averaged over, against noise

// How far each pixel of an RGBA picture (w x h) is from the colour around (x, y): the largest difference of a
// channel, 0..255, a byte a pixel.
export function colourDistance(rgba, w, h, x, y) {
  const seed = [0, 0, 0], out = new Uint8Array(w * h);
  let n = 0;
  for (let j = Math.max(0, y - AROUND); j <= Math.min(h - 1, y + AROUND); j++) {
    for (let i = Math.max(0, x - AROUND); i <= Math.min(w - 1, x + AROUND); i++, n++) {
      for (let c = 0; c < 3; c++) seed[c] += rgba[4 * (j * w + i) + c];
    }
  }
  const [r, g, b] = seed.map((sum) => Math.round(sum / n));
  for (let i = 0, o = 0; o < out.length; i += 4, o++) {
    out[o] = Math.max(Math.abs(rgba[i] - r), Math.abs(rgba[i + 1] - g), Math.abs(rgba[i + 2] - b));
  }
  return out;
}

// Run lengths of the pixels connected with (x, y) (by their sides) that are at most `tolerance` away.
export function floodRuns(distance, w, h, x, y, tolerance) {
  const bits = new Uint8Array(w * h), stack = [y * w + x];
  let top = y, bottom = y;
  const wanted = (i) => !bits[i] && (distance[i] <= tolerance || i === y * w + x);
  while (stack.length) {
    const i = stack.pop(), row = Math.floor(i / w) * w;
    if (!wanted(i)) continue;
    let from = i, to = i + 1;
    while (from > row && wanted(from - 1)) from--;
    while (to < row + w && wanted(to)) to++;
    bits.fill(1, from, to);
    top = Math.min(top, row / w);
    bottom = Math.max(bottom, row / w);
    for (const next of [row - w, row + w]) {
      if (next < 0 || next >= w * h) continue;
      for (let k = next + from - row; k < next + to - row; k++) {
        if (wanted(k) && (k === next + from - row || !wanted(k - 1))) stack.push(k);
      }
    }
  }
  return encodeRuns(bits, top * w, (bottom + 1) * w);
}

export class Wand {
  constructor(editor, prompter) {
    this.editor = editor;
    this.S = editor.S;
    this.prompter = prompter;
    this.tolerance = 24;
    this.pixels = { image: null, rgba: null }; // of the photo last used
  }

  rgba() {
    const { image, value } = this.S;
    if (this.pixels.image !== image) {
      const g = blankCanvas(value.width, value.height).getContext("2d", { willReadFrequently: true });
      g.drawImage(image, 0, 0);
      this.pixels = { image, rgba: g.getImageData(0, 0, value.width, value.height).data };
    }
    return this.pixels.rgba;
  }

  press(event, p, take) {
    const { width, height } = this.S.value, x = Math.floor(p.x), y = Math.floor(p.y), start = this.tolerance;
    if (x < 0 || y < 0 || x >= width || y >= height) return { move() {} };
    if (this.S.pending) this.prompter.drop();
    const distance = colourDistance(this.rgba(), width, height, x, y), step = new LiveStep(this.editor);
    const how = take ? "subtract" : this.S.mode;
    let frame = 0;
    const show = () => {
      frame = 0;
      step.show(floodRuns(distance, width, height, x, y, this.tolerance), how);
      this.editor.note("Tolerance " + this.tolerance + ". Drag right for more, left for less.", false);
    };
    show();
    return {
      move: (e) => {
        const to = Math.max(0, Math.min(255, start + Math.round((e.clientX - event.clientX) / DRAG)));
        if (to === this.tolerance) return;
        this.tolerance = to;
        if (!frame) frame = requestAnimationFrame(show); // once a frame, with the newest tolerance
      },
      up: () => { if (frame) { cancelAnimationFrame(frame); show(); } this.prompter.report({}); },
      cancel: () => { cancelAnimationFrame(frame); this.tolerance = start; step.withdraw(); },
    };
  }
}
