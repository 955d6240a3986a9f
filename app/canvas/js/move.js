// The Move tool: the region's own pixels follow the pointer; the event goes out on release.

import { forOnes } from "./runs.js";

export const GRIP = 26; // CSS pixels from the box to the turning grip
const MOVE_DELAY = 250;

class Ghost {
  constructor(region, image) {
    this.region = region;
    this.box = region.box;
    this.w = region.box.x1 - region.box.x0;
    this.h = region.box.y1 - region.box.y0;
    this.dx = this.dy = this.angle = 0;
    this.scale = 1;
    this.cut(region, image);
  }

  cut(region, image) {
    // sprite: the region's pixels; shadow: its shape in black, where it lay. At most 2048 pixels a side.
    const f = Math.min(1, 2048 / Math.max(this.w, this.h)), w = Math.max(1, Math.round(this.w * f)), h = Math.max(1, Math.round(this.h * f));
    const bits = new Uint8Array(this.w * this.h), fullWidth = image.width, { x0, y0 } = this.box;
    forOnes(region.runs, (from, to) => {
      for (let i = from; i < to;) {
        const y = Math.floor(i / fullWidth), end = Math.min(to, (y + 1) * fullWidth), at = (y - y0) * this.w - y * fullWidth - x0;
        bits.fill(1, at + i, at + end);
        i = end;
      }
    });
    const pixels = new ImageData(w, h), words = new Uint32Array(pixels.data.buffer);
    for (let y = 0; y < h; y++) {
      const row = Math.min(this.h - 1, Math.floor((y + 0.5) / f)) * this.w;
      for (let x = 0; x < w; x++) if (bits[row + Math.min(this.w - 1, Math.floor((x + 0.5) / f))]) words[y * w + x] = 0xff000000;
    }
    this.shadow = blankCanvas(w, h);
    this.shadow.getContext("2d").putImageData(pixels, 0, 0);
    this.sprite = blankCanvas(w, h);
    const g = this.sprite.getContext("2d");
    g.drawImage(image.element, x0, y0, this.w, this.h, 0, 0, w, h);
    g.globalCompositeOperation = "destination-in";
    g.drawImage(this.shadow, 0, 0);
  }

  still() { return !this.dx && !this.dy && !this.angle && this.scale === 1; }

  centre() { return { x: this.box.x0 + this.w / 2 + this.dx, y: this.box.y0 + this.h / 2 + this.dy }; }

  // Offset from the centre in the region's own frame, in device pixels, to the place on the stage.
  place(view, ox, oy) {
    const c = this.centre(), a = (this.angle * Math.PI) / 180;
    return {
      x: c.x * view.scale + view.tx + ox * Math.cos(a) - oy * Math.sin(a),
      y: c.y * view.scale + view.ty + ox * Math.sin(a) + oy * Math.cos(a),
    };
  }

  turnGrip(view) { return this.place(view, 0, (-this.h * view.scale * this.scale) / 2 - GRIP * view.ratio); }

  scaleGrip(view) { return this.place(view, (this.w * view.scale * this.scale) / 2, (this.h * view.scale * this.scale) / 2); }

  hit(p) {
    // Whether the image point p lies in the moved box.
    const c = this.centre(), a = (-this.angle * Math.PI) / 180, x = p.x - c.x, y = p.y - c.y;
    const u = (x * Math.cos(a) - y * Math.sin(a)) / this.scale, v = (x * Math.sin(a) + y * Math.cos(a)) / this.scale;
    return Math.abs(u) <= this.w / 2 && Math.abs(v) <= this.h / 2;
  }
}

export function blankCanvas(w, h) {
  const c = document.createElement("canvas");
  c.width = w;
  c.height = h;
  return c;
}

export class Mover {
  constructor(editor, view, moved, picked) {
    this.editor = editor;
    this.S = editor.S;
    this.view = view;
    this.moved = moved; // moved(ghost)
    this.picked = picked; // picked(region)
    this.timer = 0;
    this.sent = "";
  }

  press(event, p, region) {
    const ghost = this.S.ghost, d = this.view.toDevice(event.clientX, event.clientY);
    if (ghost && this.close(d, ghost.turnGrip(this.view))) return this.turning(ghost);
    if (ghost && this.close(d, ghost.scaleGrip(this.view))) return this.scaling(ghost);
    if (ghost && ghost.hit(p)) return this.sliding(ghost, p);
    if (!region) {
      if (!ghost) this.editor.note(this.S.regions.length ? "Press on a region to move it." : "This photo has no regions yet.", false);
      return { move() {} };
    }
    if (ghost && ghost.region !== region) this.clear();
    this.S.ghost = new Ghost(region, { element: this.S.image, width: this.S.value.width });
    this.picked(region);
    return this.sliding(this.S.ghost, p);
  }

  close(a, b) { return Math.hypot(a.x - b.x, a.y - b.y) < 11 * this.view.ratio; }

  cursor(event) {
    const ghost = this.S.ghost, d = this.view.toDevice(event.clientX, event.clientY);
    if (!ghost) return "";
    if (this.close(d, ghost.turnGrip(this.view))) return "grab";
    if (this.close(d, ghost.scaleGrip(this.view))) return "nwse-resize";
    return ghost.hit(this.view.toImage(event.clientX, event.clientY)) ? "move" : "";
  }

  gesture(ghost, change) {
    const start = { dx: ghost.dx, dy: ghost.dy, angle: ghost.angle, scale: ghost.scale };
    return {
      move: (e) => change(this.view.toImage(e.clientX, e.clientY), start, e),
      up: () => this.tell(0),
      cancel: () => Object.assign(ghost, start),
    };
  }

  sliding(ghost, from) {
    return this.gesture(ghost, (p, start) => {
      ghost.dx = start.dx + Math.round(p.x - from.x);
      ghost.dy = start.dy + Math.round(p.y - from.y);
    });
  }

  turning(ghost) {
    return this.gesture(ghost, (p, start, e) => {
      const c = ghost.centre(), angle = (Math.atan2(p.x - c.x, c.y - p.y) * 180) / Math.PI;
      ghost.angle = e.shiftKey ? Math.round(angle / 15) * 15 : Math.round(angle * 10) / 10;
    });
  }

  scaling(ghost) {
    const half = Math.hypot(ghost.w, ghost.h) / 2;
    return this.gesture(ghost, (p) => {
      const c = ghost.centre();
      ghost.scale = Math.min(8, Math.max(0.1, Math.round((Math.hypot(p.x - c.x, p.y - c.y) / half) * 100) / 100));
    });
  }

  turn(degrees) {
    const ghost = this.S.ghost;
    if (!ghost) return;
    ghost.angle = ((((ghost.angle + degrees + 180) % 360) + 360) % 360) - 180;
    this.editor.marks();
    this.tell(MOVE_DELAY);
  }

  // Send the event, once a change.
  tell(delay) {
    clearTimeout(this.timer);
    const ghost = this.S.ghost;
    if (!ghost) return;
    const now = JSON.stringify([ghost.region.name, ghost.dx, ghost.dy, ghost.angle, ghost.scale]);
    const send = () => {
      if (now === this.sent || (!this.sent && ghost.still())) return;
      this.sent = now;
      this.moved(ghost);
    };
    if (delay) this.timer = setTimeout(send, delay);
    else send();
  }

  // Put the region back; says so if a move had been sent. Returns whether there was one.
  clear() {
    const ghost = this.S.ghost;
    clearTimeout(this.timer);
    if (!ghost) return false;
    Object.assign(ghost, { dx: 0, dy: 0, angle: 0, scale: 1 });
    if (this.sent) this.moved(ghost);
    this.forget();
    return true;
  }

  forget() {
    clearTimeout(this.timer);
    this.S.ghost = null;
    this.sent = "";
    this.editor.marks();
  }
}
