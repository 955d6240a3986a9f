// The mask that a click would give, shown under the mouse before the click. One request at a time: while it is under
// way only the newest place is remembered, so that a slow segmenter is never behind by more than one answer.

import { nextSeq } from "./server.js";
import { ShapeSprite } from "./shape_sprite.js";

const STILL = 3; // CSS pixels that make another place
const BREAK = 40; // ms between an answer and the next request
const UNREADY = 800; // ms before asking again for a photo that is not prepared
const REMEMBERED = "flawsmith.hover";

export class Hover {
  // ask: see server.js; wanted(): whether a click would ask for a mask now; regionAt(p): the named region there, or null.
  constructor(ask, editor, { wanted, regionAt, shown }) {
    this.ask = ask;
    this.editor = editor;
    this.S = editor.S;
    this.wanted = wanted;
    this.regionAt = regionAt;
    this.shown = shown; // shown(ms) after an answer is on the screen
    this.on = localStorage.getItem(REMEMBERED) !== "off";
    this.flying = false;
    this.asked = null; // where the preview on show was asked for
    this.rest = 0; // performance.now() before which nothing is asked
    this.timer = 0;
  }

  toggle() {
    this.on = !this.on;
    localStorage.setItem(REMEMBERED, this.on ? "on" : "off");
    this.look();
  }

  // The pointer, the tool or the photo changed.
  look() {
    const p = this.S.pointer;
    if (!this.on || !p || !this.wanted(p)) { this.clear(); return; }
    const region = this.regionAt(p);
    if (this.S.preview && !this.S.preview.holds(p)) this.hide();
    if (region) this.show(region.runs, p);
    else this.pump();
  }

  clear() {
    clearTimeout(this.timer);
    this.asked = null;
    this.hide();
  }

  hide() {
    if (!this.S.preview) return;
    this.S.preview = null;
    this.editor.marks();
  }

  near(p) {
    const { scale, ratio } = this.editor.screen.view;
    return this.asked && (Math.hypot(p.x - this.asked.x, p.y - this.asked.y) * scale) / ratio < STILL;
  }

  pump() {
    const p = this.S.pointer, now = performance.now();
    clearTimeout(this.timer);
    if (this.flying || !p || this.near(p)) return;
    if (now < this.rest) { this.timer = setTimeout(() => this.look(), this.rest - now); return; }
    this.flying = true;
    this.send(p).finally(() => { this.flying = false; this.look(); });
  }

  async send(p) {
    const { sid, image_id } = this.S.value, began = performance.now();
    const reply = await this.ask("preview", { v: 1, sid, image_id, seq: nextSeq(), box: null, rle: null, points: [{ x: p.x, y: p.y, label: 1 }] });
    this.rest = performance.now() + (reply.ok && reply.ready ? BREAK : UNREADY);
    const value = this.S.value, now = this.S.pointer;
    if (!value || value.image_id !== image_id || !now || !this.wanted(now) || this.regionAt(now)) return;
    const best = reply.ok && reply.candidates && reply.candidates[0];
    if (best) this.show(best.rle, p);
    else this.clear();
    this.asked = p;
    if (best) this.shown(performance.now() - began);
  }

  show(runs, p) {
    this.asked = p;
    if (this.S.preview && this.S.preview.runs === runs) return;
    this.S.preview = new ShapeSprite(runs, this.S.value.width);
    this.editor.marks();
  }
}
