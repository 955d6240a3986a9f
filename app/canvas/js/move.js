// The Move tool: the region's own pixels follow the pointer; the event goes out on release.

import { CURSORS, Pose } from "./pose.js";
import { boxBits } from "./runs.js";

const MOVE_DELAY = 250;

class Ghost extends Pose {
  constructor(region, image) {
    super(region.box);
    this.region = region;
    this.cut(region, image);
  }

  cut(region, image) {
    // sprite: the region's pixels; shadow: its shape in black, where it lay. At most 2048 pixels a side.
    const f = Math.min(1, 2048 / Math.max(this.w, this.h)), w = Math.max(1, Math.round(this.w * f)), h = Math.max(1, Math.round(this.h * f));
    const bits = boxBits(region.runs, this.box, image.width), { x0, y0 } = this.box;
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
    const ghost = this.S.ghost, d = this.view.toDevice(event.clientX, event.clientY), held = ghost ? ghost.held(this.view, d, p) : "";
    if (held) return this.gesture(ghost, ghost.dragging(held, p));
    if (!region) {
      if (!ghost) this.editor.note(this.S.regions.length ? "Press on a region to move it." : "This photo has no regions yet.", false);
      return { move() {} };
    }
    if (ghost && ghost.region !== region) this.clear();
    this.S.ghost = new Ghost(region, { element: this.S.image, width: this.S.value.width });
    this.picked(region);
    return this.gesture(this.S.ghost, this.S.ghost.dragging("slide", p));
  }

  cursor(event) {
    const ghost = this.S.ghost, { view } = this, { clientX, clientY } = event;
    return ghost ? CURSORS[ghost.held(view, view.toDevice(clientX, clientY), view.toImage(clientX, clientY))] : "";
  }

  gesture(ghost, follow) {
    const { dx, dy, angle, scale } = ghost;
    return {
      move: (e) => follow(this.view.toImage(e.clientX, e.clientY), e),
      up: () => this.tell(0),
      cancel: () => Object.assign(ghost, { dx, dy, angle, scale }),
    };
  }

  turn(degrees) {
    const ghost = this.S.ghost;
    if (!ghost) return;
    ghost.turn(degrees);
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
    ghost.reset();
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
