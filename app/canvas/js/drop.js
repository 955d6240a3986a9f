// The Drop tool: a mask shaped like the label, its ghost under the pointer; a press lays it on the component there.
// The wheel sizes it, with Alt it turns; with Ctrl the wheel zooms as everywhere.

import { nextSeq } from "./server.js";

const STEP = 1.1, TURN = 6, SCALES = [0.1, 10]; // factor and degrees of a notch

export const sized = (scale, up) => Math.min(SCALES[1], Math.max(SCALES[0], up ? scale * STEP : scale / STEP));
export const turnedBy = (degrees, up) => (degrees + (up ? -TURN : TURN) + 360) % 360;

export class Dropper {
  constructor(ask, editor, busy) {
    this.ask = ask; // see server.js
    this.editor = editor;
    this.busy = busy; // busy(on)
    this.shape = 1; // number of the shape; another after each press
    this.scale = 1;
    this.degrees = 0;
    this.settled = Promise.resolve();
    this.newest = 0;
  }

  get S() { return this.editor.S; }

  message(more) {
    const { sid, image_id } = this.S.value;
    return { v: 1, sid, image_id, seq: nextSeq(), shape: this.shape, scale: this.scale, degrees: this.degrees, ...more };
  }

  // The ghost of the next shape; the label may be another since the pointer was here last.
  async look() {
    const { S } = this;
    if (S.tool !== "drop" || !S.ready || S.readonly) return;
    const newest = ++this.newest, reply = await this.ask("drop", this.message({ scale: 1, degrees: 0 }));
    if (newest !== this.newest) return;
    S.drop = reply.ok ? { rings: reply.rings, scale: this.scale, degrees: this.degrees } : null;
    if (!reply.ok) this.editor.note(reply.error, true);
    this.editor.marks();
  }

  wheel(event) {
    const up = event.deltaY < 0;
    if (event.altKey) this.degrees = turnedBy(this.degrees, up);
    else this.scale = sized(this.scale, up);
    if (this.S.drop) this.S.drop = { ...this.S.drop, scale: this.scale, degrees: this.degrees };
    this.editor.marks();
  }

  press(p, take) {
    this.settled = this.settled.then(() => this.lay(p, take));
    return { move() {} };
  }

  async lay(p, take) {
    const { S, editor } = this, photo = S.value.image_id;
    this.busy(true);
    const reply = await this.ask("drop", this.message({ x: p.x, y: p.y }));
    this.busy(false);
    if (S.value.image_id !== photo) return;
    if (!reply.ok) { editor.note(reply.error, true); return; }
    editor.shape(reply.rle, take ? "subtract" : S.mode);
    this.shape++;
    this.look();
  }
}
