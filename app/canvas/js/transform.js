// The tool that moves, turns, scales and flips the mask as a whole, and lays a copied one on the photo.

import { LiveStep } from "./live_step.js";
import { CURSORS, Pose, posedSpans } from "./pose.js";
import { boxBits, combineRuns, runsBox, spansToRuns } from "./runs.js";

const copied = { runs: null, w: 0, h: 0 }; // one clipboard for all canvases of the page

// A mask of one photo on another of w x h pixels: the same place, what lies beyond its edge left out.
export function fittedRuns(runs, from, w, h) {
  const box = runsBox(runs, from.w);
  if (!box) return [w * h];
  return spansToRuns(posedSpans(boxBits(runs, box, from.w), new Pose(box), w, h), w, h);
}

export class Transformer {
  constructor(editor, view) {
    this.editor = editor;
    this.S = editor.S;
    this.view = view;
    this.live = null; // {step, bits, pose, how}
  }

  // The pose of the mask that is being moved; begins with the mask as it is. Null without a mask.
  pose() {
    if (this.live && !this.live.step.alive) this.live = null;
    if (!this.live && !this.begin(this.editor.grid.runs(), [this.editor.grid.w * this.editor.grid.h], "replace")) return null;
    return this.live.pose;
  }

  begin(runs, base, how) {
    const { w } = this.editor.grid, box = runsBox(runs, w);
    if (!box) return false;
    this.live = { step: new LiveStep(this.editor, base), bits: boxBits(runs, box, w), pose: new Pose(box), how };
    return true;
  }

  // The pose on show, if there is one; nothing begins.
  get shown() { return this.S.tool === "transform" && this.live && this.live.step.alive ? this.live.pose : null; }

  // Lay a shape over the mask, ready to be moved.
  lay(runs) {
    const how = this.S.mode, { w, h } = this.editor.grid;
    if (!this.begin(runs, combineRuns(this.editor.grid.runs(), [w * h], "add"), how)) return;
    this.refresh();
  }

  copy() {
    const { grid } = this.editor;
    if (!grid || !grid.area) { this.editor.note("There is no mask to copy.", false); return false; }
    Object.assign(copied, { runs: grid.runs(), w: grid.w, h: grid.h });
    return true;
  }

  paste() {
    const { w, h } = this.editor.grid, runs = copied.runs && fittedRuns(copied.runs, copied, w, h);
    if (!runs || runs.length < 2) { this.editor.note(runs ? "Nothing of the copied mask lies on this photo." : "Copy a mask first (Ctrl+C).", false); return false; }
    this.lay(runs);
    return true;
  }

  refresh() {
    const { step, bits, pose, how } = this.live, { w, h } = this.editor.grid;
    step.show(spansToRuns(posedSpans(bits, pose, w, h), w, h), how);
  }

  press(event, p) {
    const pose = this.pose(), d = this.view.toDevice(event.clientX, event.clientY), how = pose ? pose.held(this.view, d, p) : "";
    if (!how) {
      if (!pose) this.editor.note("There is no mask yet. Draw one first, then move it.", false);
      this.editor.marks();
      return { move() {} };
    }
    const follow = pose.dragging(how, p), before = { ...pose };
    let frame = 0;
    const show = () => { frame = 0; this.refresh(); };
    return {
      move: (e) => {
        follow(this.view.toImage(e.clientX, e.clientY), e);
        if (!frame) frame = requestAnimationFrame(show); // once a frame, however often the pointer tells
      },
      up: () => { if (frame) { cancelAnimationFrame(frame); show(); } },
      cancel: () => { cancelAnimationFrame(frame); Object.assign(pose, before); this.refresh(); },
    };
  }

  cursor(event) {
    const pose = this.shown;
    return pose ? CURSORS[pose.held(this.view, this.view.toDevice(event.clientX, event.clientY), this.view.toImage(event.clientX, event.clientY))] : "";
  }

  // change(pose): a move by keys or buttons.
  change(move) {
    const pose = this.pose();
    if (!pose) { this.editor.note("There is no mask yet. Draw one first, then move it.", false); return; }
    move(pose);
    this.refresh();
  }

  nudge(dx, dy) { this.change((pose) => { pose.dx += dx; pose.dy += dy; }); }

  turn(degrees) { this.change((pose) => pose.turn(degrees)); }

  // As seen on the screen, whatever the mask was turned by.
  flip(across) {
    this.change((pose) => {
      if (across) pose.flipX = !pose.flipX;
      else pose.flipY = !pose.flipY;
      pose.angle = -pose.angle || 0;
    });
  }

  // Put the mask back to where the tool took it up. Returns whether it had been moved.
  cancel() {
    const moved = !!this.live && this.live.step.alive && !!this.live.step.entry;
    if (moved) this.live.step.withdraw();
    this.live = null;
    this.editor.marks();
    return moved;
  }
}
