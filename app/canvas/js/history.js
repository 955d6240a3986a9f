// Undo as patches of the tiles that changed, bit-packed, capped by bytes.

import { unite } from "./runs.js";

const HISTORY_BYTES = 48 * 1024 * 1024;

export function packTile(tile) {
  // Bytes of 0 and 1 to bits; a tile of one value is already a number.
  if (typeof tile === "number" || tile.packed) return tile;
  const bits = new Uint8Array((tile.length + 7) >> 3);
  for (let i = 0; i < tile.length; i++) if (tile[i]) bits[i >> 3] |= 1 << (i & 7);
  return { packed: bits, length: tile.length };
}

export function unpackTile(tile) {
  if (!tile.packed) return tile;
  const out = new Uint8Array(tile.length);
  for (let i = 0; i < out.length; i++) out[i] = (tile.packed[i >> 3] >> (i & 7)) & 1;
  return out;
}

export class History {
  constructor(grid) {
    this.grid = grid;
    this.past = [];
    this.future = [];
    this.bytes = 0;
  }

  // Close the edit that grid.begin() opened. before/after: the prompt (points and box) on either side.
  commit(before, after) {
    const tiles = this.grid.edit;
    this.grid.edit = null;
    for (const [t, was] of tiles) if (this.same(t, was)) tiles.delete(t);
    if (!tiles.size && before === after) return false;
    const entry = { tiles, before, after, bytes: 0 };
    this.future.forEach((e) => { this.bytes -= e.bytes; });
    this.future = [];
    this.past.push(entry);
    // Packing waits until the edit is on the screen.
    setTimeout(() => this.pack(entry), 60);
    return tiles.size > 0;
  }

  same(t, was) {
    const now = this.grid.readTile(t);
    if (typeof now === "number" || typeof was === "number") return now === was;
    for (let i = 0; i < now.length; i++) if (now[i] !== was[i]) return false;
    return true;
  }

  pack(entry) {
    if (!this.past.includes(entry) && !this.future.includes(entry)) return;
    this.bytes -= entry.bytes;
    entry.bytes = 64;
    for (const [t, tile] of entry.tiles) {
      const small = packTile(tile);
      entry.tiles.set(t, small);
      entry.bytes += 32 + (small.packed ? small.packed.length : 0);
    }
    this.bytes += entry.bytes;
    while (this.bytes > HISTORY_BYTES && this.past.length > 1) this.bytes -= this.past.shift().bytes;
  }

  // Take the edit under way back without keeping it. Returns the rectangle restored.
  abandon() {
    const entry = { tiles: this.grid.edit, bytes: 0 };
    this.grid.edit = null;
    return entry.tiles ? this.swap(entry) : null;
  }

  swap(entry) {
    let dirty = null;
    for (const [t, tile] of entry.tiles) {
      const now = packTile(this.grid.readTile(t)), r = this.grid.tileRect(t);
      this.grid.writeTile(t, unpackTile(tile));
      entry.tiles.set(t, now);
      this.grid.refresh(r);
      dirty = unite(dirty, r);
    }
    return dirty;
  }

  step(from, to) {
    const entry = from.pop();
    if (!entry) return null;
    const dirty = this.swap(entry);
    to.push(entry);
    return { dirty, entry };
  }

  // Undo the newest step for good. Returns the rectangle restored.
  drop() {
    const { dirty, entry } = this.undo();
    this.future.pop();
    this.bytes -= entry.bytes;
    return dirty;
  }

  undo() { return this.step(this.past, this.future); }
  redo() { return this.step(this.future, this.past); }
}
