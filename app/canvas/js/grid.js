// The mask at the photo's own resolution: one byte (0 or 1) a pixel, a pixel count per tile, and
// a pyramid of coverage (0..255) so that a thin crack stays visible when zoomed out.

import { boxBits, combineRuns, encodeRuns, forOnes, unite } from "./runs.js";

export const TILE = 128;

export class MaskGrid {
  constructor(w, h) {
    this.w = w;
    this.h = h;
    this.bits = new Uint8Array(w * h);
    this.tilesX = Math.ceil(w / TILE);
    this.tilesY = Math.ceil(h / TILE);
    this.counts = new Int32Array(this.tilesX * this.tilesY);
    this.area = 0;
    this.cached = null; // runs() of the mask as it is
    this.locked = null; // {runs, bits} of the pixels that no edit changes, or null
    this.edit = null; // tile index -> its bytes before the edit under way
    this.levels = [{ w, h, data: this.bits }];
    while (Math.max(w, h) >> this.levels.length >= 128) {
      const last = this.levels[this.levels.length - 1], lw = (last.w + 1) >> 1, lh = (last.h + 1) >> 1;
      this.levels.push({ w: lw, h: lh, data: new Uint8Array(lw * lh) });
    }
  }

  clip(r) {
    const c = {
      x0: Math.max(0, Math.floor(r.x0)), y0: Math.max(0, Math.floor(r.y0)),
      x1: Math.min(this.w, Math.ceil(r.x1)), y1: Math.min(this.h, Math.ceil(r.y1)),
    };
    return c.x1 > c.x0 && c.y1 > c.y0 ? c : null;
  }

  box() {
    // A rectangle of whole tiles around the ones, or null: cheap, not tight.
    let x0 = this.tilesX, y0 = this.tilesY, x1 = -1, y1 = -1;
    for (let ty = 0, t = 0; ty < this.tilesY; ty++) {
      for (let tx = 0; tx < this.tilesX; tx++, t++) {
        if (!this.counts[t]) continue;
        x0 = Math.min(x0, tx); x1 = Math.max(x1, tx); y0 = Math.min(y0, ty); y1 = ty;
      }
    }
    return x1 < 0 ? null : this.clip({ x0: x0 * TILE, y0: y0 * TILE, x1: (x1 + 1) * TILE, y1: (y1 + 1) * TILE });
  }

  runs() {
    const box = this.cached ? null : this.box();
    if (!this.cached) this.cached = box ? encodeRuns(this.bits, box.y0 * this.w, box.y1 * this.w) : [this.w * this.h];
    return this.cached;
  }

  eachTile(r, visit) {
    for (let ty = Math.floor(r.y0 / TILE); ty * TILE < r.y1; ty++) {
      for (let tx = Math.floor(r.x0 / TILE); tx * TILE < r.x1; tx++) visit(ty * this.tilesX + tx);
    }
  }

  tileRect(t) {
    const x0 = (t % this.tilesX) * TILE, y0 = Math.floor(t / this.tilesX) * TILE;
    return { x0, y0, x1: Math.min(this.w, x0 + TILE), y1: Math.min(this.h, y0 + TILE) };
  }

  readTile(t) {
    const r = this.tileRect(t), n = r.x1 - r.x0;
    if (this.counts[t] === 0) return 0;
    if (this.counts[t] === n * (r.y1 - r.y0)) return 1;
    const out = new Uint8Array(n * (r.y1 - r.y0));
    for (let y = r.y0, o = 0; y < r.y1; y++, o += n) out.set(this.bits.subarray(y * this.w + r.x0, y * this.w + r.x1), o);
    return out;
  }

  writeTile(t, from) {
    const r = this.tileRect(t), n = r.x1 - r.x0;
    for (let y = r.y0, o = 0; y < r.y1; y++, o += n) {
      const at = y * this.w + r.x0;
      if (typeof from === "number") this.bits.fill(from, at, at + n);
      else this.bits.set(from.subarray(o, o + n), at);
    }
  }

  begin() { this.edit = new Map(); }

  keep(r) {
    // Before writing into r: remember what its tiles held.
    if (this.edit) this.eachTile(r, (t) => { if (!this.edit.has(t)) this.edit.set(t, this.readTile(t)); });
  }

  // The pixels of `runs` keep their mask from now on; null: none do.
  lock(runs) {
    this.locked = runs && { runs, bits: boxBits(runs, { x0: 0, y0: 0, x1: this.w, y1: this.h }, this.w) };
  }

  // Make the mask equal to `runs`, touching only what differs and is not locked (`forced`: that too). Returns the
  // rectangle touched, or null.
  assign(runs, forced = false) {
    const { w } = this, touched = new Set(), held = forced ? null : this.locked;
    const differ = combineRuns(this.runs(), runs, "differ"), flips = held ? combineRuns(differ, held.runs, "subtract") : differ;
    let dirty = null;
    forOnes(flips, (from, to) => {
      for (let i = from; i < to;) {
        const y = Math.floor(i / w), x = i - y * w, end = Math.min(to, (y + 1) * w, i - (x % TILE) + TILE);
        const t = Math.floor(y / TILE) * this.tilesX + Math.floor(x / TILE);
        if (!touched.has(t)) {
          touched.add(t);
          if (this.edit && !this.edit.has(t)) this.edit.set(t, this.readTile(t));
          dirty = unite(dirty, this.tileRect(t));
        }
        for (; i < end; i++) this.bits[i] ^= 1;
      }
    });
    for (const t of touched) this.refresh(this.tileRect(t));
    this.cached = held ? null : runs;
    return dirty;
  }

  // A round brush of this diameter drawn from p to q: pixels whose centre is inside. Returns the rectangle touched.
  stroke(p, q, diameter, value) {
    const rad = Math.max(0.5, diameter / 2), { w, bits } = this;
    const r = this.clip({
      x0: Math.min(p.x, q.x) - rad - 1, y0: Math.min(p.y, q.y) - rad - 1,
      x1: Math.max(p.x, q.x) + rad + 1, y1: Math.max(p.y, q.y) + rad + 1,
    });
    if (!r) return null;
    this.keep(r);
    for (let y = r.y0; y < r.y1; y++) {
      const span = capsuleSpan(p, q, rad, y + 0.5);
      if (!span) continue;
      const x0 = Math.max(r.x0, Math.ceil(span[0] - 0.5)), x1 = Math.min(r.x1, Math.floor(span[1] - 0.5) + 1);
      if (!this.locked) { if (x1 > x0) bits.fill(value, y * w + x0, y * w + x1); continue; }
      for (let i = y * w + x0; i < y * w + x1; i++) if (!this.locked.bits[i]) bits[i] = value;
    }
    this.refresh(r);
    return r;
  }

  // After writing into r: counts and pyramid.
  refresh(r) {
    const { bits, w } = this;
    this.cached = null;
    this.eachTile(r, (t) => {
      const q = this.tileRect(t);
      let n = 0;
      for (let y = q.y0; y < q.y1; y++) {
        for (let i = y * w + q.x0, end = y * w + q.x1; i < end; i++) n += bits[i];
      }
      this.area += n - this.counts[t];
      this.counts[t] = n;
    });
    let { x0, y0, x1, y1 } = r;
    for (let k = 1; k < this.levels.length; k++) {
      const up = this.levels[k - 1], to = this.levels[k];
      x0 >>= 1; y0 >>= 1; x1 = Math.min(to.w, (x1 + 1) >> 1); y1 = Math.min(to.h, (y1 + 1) >> 1);
      // Level 0 holds bits, the others coverage; rounding up keeps a single pixel visible at every level.
      const gain = k === 1 ? 255 : 1;
      for (let y = y0; y < y1; y++) {
        const a = 2 * y * up.w, b = Math.min(2 * y + 1, up.h - 1) * up.w;
        for (let x = x0; x < x1; x++) {
          const l = 2 * x, m = l + 1 < up.w ? l + 1 : l;
          to.data[y * to.w + x] = (gain * (up.data[a + l] + up.data[a + m] + up.data[b + l] + up.data[b + m]) + 3) >> 2;
        }
      }
    }
  }
}

function capsuleSpan(p, q, rad, cy) {
  // Where the line y = cy crosses the capsule around p-q: [left, right] or null. The capsule is convex.
  let left = Infinity, right = -Infinity;
  for (const c of [p, q]) {
    const dy = cy - c.y, s = rad * rad - dy * dy;
    if (s >= 0) { left = Math.min(left, c.x - Math.sqrt(s)); right = Math.max(right, c.x + Math.sqrt(s)); }
  }
  const dx = q.x - p.x, dy = q.y - p.y, length = Math.hypot(dx, dy);
  if (length > 0) {
    const nx = (-dy / length) * rad, ny = (dx / length) * rad;
    for (const s of [1, -1]) {
      const ax = p.x + s * nx, ay = p.y + s * ny, t = dy === 0 ? -1 : (cy - ay) / dy;
      if (t >= 0 && t <= 1) { left = Math.min(left, ax + t * dx); right = Math.max(right, ax + t * dx); }
    }
  }
  return left <= right ? [left, right] : null;
}
