// The mask and all that changes it: every edit passes here, so that undo, screen and server agree.

import { MaskGrid } from "./grid.js";
import { History } from "./history.js";
import { combineRuns, unite } from "./runs.js";

export class Editor {
  // screen: {view, overlay, paintMarks(), counted(), note(text, bad), changed()}
  constructor(S, screen) {
    this.S = S;
    this.screen = screen;
    this.note = screen.note;
    this.grid = null;
    this.history = null;
    this.dirty = null; // image rectangle to repaint with the next frame
    this.stale = { photo: false, marks: false };
    this.frame = 0;
  }

  reset(w, h) {
    this.grid = new MaskGrid(w, h);
    this.history = new History(this.grid);
    this.S.prompt = this.S.pending = null;
    this.S.polygon = this.S.lasso = [];
    this.S.closed = null;
  }

  all() { return { x0: 0, y0: 0, x1: this.grid.w, y1: this.grid.h }; }

  repaint(rect) {
    if (rect) this.dirty = unite(this.dirty, rect);
    this.schedule();
  }

  everything() {
    this.stale.photo = true;
    this.stale.marks = true;
    if (this.grid) this.dirty = this.all();
    this.schedule();
  }

  marks() {
    this.stale.marks = true;
    this.schedule();
  }

  schedule() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    const { view, overlay } = this.screen;
    this.frame = 0;
    if (this.stale.photo) {
      view.paintPhoto();
      overlay.clear();
    }
    if (this.dirty && this.grid) overlay.paint(this.grid, this.dirty);
    if (this.stale.marks || this.stale.photo) this.screen.paintMarks();
    this.dirty = null;
    this.stale = { photo: false, marks: false };
    this.clock();
  }

  clock() {
    // When an answered click is on the screen: the frame after the one that painted it has begun.
    const painted = this.S.painted;
    if (!painted) return;
    this.S.painted = null;
    requestAnimationFrame(() => {
      const now = performance.now();
      this.S.timings.push({ total: now - painted.started, paint: now - painted.answered });
      if (this.S.timings.length > 500) this.S.timings.shift();
    });
  }

  finish(rect, before, after) {
    const changed = this.history.commit(before, after);
    this.repaint(rect);
    this.marks();
    if (changed) this.touched();
  }

  touched() {
    this.screen.counted();
    this.screen.changed();
  }

  // The mask becomes `runs`, as one step of undo. Returns the rectangle that changed, or null.
  apply(runs, before = null, after = null) {
    this.grid.begin();
    const rect = this.grid.assign(runs);
    this.finish(rect, before, after);
    return rect;
  }

  // Join a shape to the mask as one step; ends a running prompt.
  shape(runs, how) {
    const before = this.S.prompt;
    this.S.prompt = null;
    this.apply(combineRuns(this.grid.runs(), runs, how), before, null);
  }

  clear() {
    if (this.grid.area) this.shape([this.grid.w * this.grid.h], "replace");
  }

  step(way) {
    const done = this.history[way]();
    if (!done) return;
    this.S.prompt = way === "undo" ? done.entry.before : done.entry.after;
    this.repaint(done.dirty);
    this.marks();
    this.touched();
  }
}
