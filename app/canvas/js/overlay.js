// The `over` layer: mask and regions, computed for the screen's pixels from the coverage pyramid, and
// only inside the rectangle that changed.

import { forOnes } from "./runs.js";

export function rgba(hex, alpha) {
  // "#rrggbb" to the little-endian word that ImageData wants.
  const n = parseInt(hex.slice(1), 16);
  return ((Math.round(alpha * 255) << 24) | ((n & 255) << 16) | (n & 0xff00) | (n >> 16)) >>> 0;
}

export const MASK_COLOR = "#ff2e63";

export class Overlay {
  constructor(view, context) {
    this.view = view;
    this.context = context;
    this.filled = true;
    this.showRegions = true;
    this.labels = null; // Uint8Array w*h: 1 + index of the region on top, 0 none
    this.regionFill = new Uint32Array(256);
    this.regionLine = new Uint32Array(256);
    this.maskFill = new Uint32Array(256);
    this.color = MASK_COLOR;
    this.opacity = 1;
    this.tint();
  }

  // How strongly the mask is filled, 0..1; its outline stays.
  setOpacity(opacity) {
    this.opacity = opacity;
    this.tint();
  }

  // The mask's colour, "#rrggbb".
  setColor(color) {
    this.color = color || MASK_COLOR;
    this.tint();
  }

  tint() {
    for (let c = 1; c < 256; c++) this.maskFill[c] = rgba(this.color, (0.2 + (0.24 * c) / 255) * this.opacity);
  }

  setRegions(regions, w, h) {
    // Regions: [{color, runs}], largest first, so that a small one inside a large one lies on top.
    this.labels = regions.length ? new Uint8Array(w * h) : null;
    regions.slice(0, 255).forEach((region, i) => {
      this.regionFill[i + 1] = rgba(region.color, 0.16);
      this.regionLine[i + 1] = rgba(region.color, 0.95);
      forOnes(region.runs, (from, to) => this.labels.fill(i + 1, from, to));
    });
  }

  clear() { this.context.clearRect(0, 0, this.view.width, this.view.height); }

  // Repaint the image rectangle r. The outline reaches `reach` device pixels beyond what changed.
  paint(grid, r) {
    const view = this.view, line = Math.max(1, Math.round(1.6 * view.ratio)), reach = line + 1;
    const s = view.toScreen(r, reach + 2);
    if (!s) return;
    const w = s.x1 - s.x0, h = s.y1 - s.y0, pw = w + 2 * reach, ph = h + 2 * reach;
    const mask = this.coverage(grid, s.x0 - reach, s.y0 - reach, pw, ph);
    const labels = this.showRegions && this.labels ? this.sample(s.x0 - reach, s.y0 - reach, pw, ph) : null;
    const image = new ImageData(w, h), out = new Uint32Array(image.data.buffer);
    if (labels) this.drawRegions(out, labels, w, h, pw, reach, line);
    if (mask) this.drawMask(out, mask, w, h, pw, reach, line);
    this.context.putImageData(image, s.x0, s.y0);
  }

  drawRegions(out, labels, w, h, pw, reach, line) {
    const down = line * pw;
    for (let y = 0; y < h; y++) {
      for (let x = 0, i = (y + reach) * pw + reach, o = y * w; x < w; x++, i++, o++) {
        const v = labels[i];
        if (!v) continue;
        const edge = labels[i - line] !== v || labels[i + line] !== v || labels[i - down] !== v || labels[i + down] !== v;
        out[o] = edge ? this.regionLine[v] : this.regionFill[v];
      }
    }
  }

  drawMask(out, cov, w, h, pw, reach, line) {
    // A light line inside the edge and a dark one outside it: to be seen on any photo.
    const down = line * pw, stroke = rgba(this.color, 1), halo = rgba("#10131a", 0.55), on = 64;
    for (let y = 0; y < h; y++) {
      for (let x = 0, i = (y + reach) * pw + reach, o = y * w; x < w; x++, i++, o++) {
        const c = cov[i];
        if (c >= on) {
          const edge = cov[i - line] < on || cov[i + line] < on || cov[i - down] < on || cov[i + down] < on;
          if (edge) out[o] = stroke;
          else if (this.filled) out[o] = this.maskFill[c];
        } else if (cov[i - 1] >= on || cov[i + 1] >= on || cov[i - pw] >= on || cov[i + pw] >= on) out[o] = halo;
        else if (c) out[o] = this.maskFill[c];
      }
    }
  }

  // For n device pixels from `start`: first and last photo block (of 2^k pixels) under each; -1 outside.
  blocks(start, n, offset, k, count, limit) {
    const scale = this.view.scale, first = new Int32Array(n), last = new Int32Array(n), size = 1 << k;
    for (let i = 0; i < n; i++) {
      const a = (start + i - offset) / scale, b = (start + i + 1 - offset) / scale, mid = (a + b) / 2;
      if (mid < 0 || mid >= limit) { first[i] = last[i] = -1; continue; }
      if (scale >= 1) { first[i] = last[i] = Math.floor(mid); continue; }
      first[i] = Math.max(0, Math.floor(a / size));
      last[i] = Math.min(count - 1, Math.max(first[i], Math.ceil(b / size - 1e-6) - 1));
    }
    return { first, last };
  }

  // Coverage (0..255) under each device pixel of the rectangle, or null where the mask is far.
  coverage(grid, sx, sy, w, h) {
    const box = grid.box();
    const near = box && this.view.toScreen(box, 2);
    if (!near || near.x1 <= sx || near.x0 >= sx + w || near.y1 <= sy || near.y0 >= sy + h) return null;
    const view = this.view;
    const k = view.scale >= 1 ? 0 : Math.min(grid.levels.length - 1, Math.floor(Math.log2(1 / view.scale)));
    const level = grid.levels[k], data = level.data, gain = k === 0 ? 255 : 1;
    const cols = this.blocks(sx, w, view.tx, k, level.w, grid.w), rows = this.blocks(sy, h, view.ty, k, level.h, grid.h);
    const out = new Uint8Array(w * h), sum = new Uint32Array(w);
    const left = Math.max(0, near.x0 - sx), right = Math.min(w, near.x1 - sx);
    for (let y = Math.max(0, near.y0 - sy); y < Math.min(h, near.y1 - sy); y++) {
      if (rows.first[y] < 0) continue;
      sum.fill(0);
      for (let r = rows.first[y]; r <= rows.last[y]; r++) {
        const base = r * level.w;
        for (let x = left; x < right; x++) {
          const a = cols.first[x], b = cols.last[x];
          if (a < 0) continue;
          if (a === b) sum[x] += 6 * data[base + a];
          else if (b === a + 1) sum[x] += 3 * (data[base + a] + data[base + b]);
          else sum[x] += 2 * (data[base + a] + data[base + a + 1] + data[base + b]);
        }
      }
      const n = 6 * (rows.last[y] - rows.first[y] + 1);
      for (let x = left, o = y * w + left; x < right; x++, o++) out[o] = Math.ceil((sum[x] * gain) / n);
    }
    return out;
  }

  // Region label under the middle of each device pixel of the rectangle.
  sample(sx, sy, w, h) {
    const view = this.view, out = new Uint8Array(w * h), cols = new Int32Array(w);
    for (let x = 0; x < w; x++) cols[x] = Math.floor((sx + x + 0.5 - view.tx) / view.scale);
    for (let y = 0; y < h; y++) {
      const iy = Math.floor((sy + y + 0.5 - view.ty) / view.scale);
      if (iy < 0 || iy >= view.h) continue;
      for (let x = 0, o = y * w, base = iy * view.w; x < w; x++, o++) {
        const ix = cols[x];
        if (ix >= 0 && ix < view.w) out[o] = this.labels[base + ix];
      }
    }
    return out;
  }
}
