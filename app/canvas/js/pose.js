// A shape that is moved, turned and scaled as a whole: where it is now, its grips, and the gestures on them.

export const GRIP = 26; // CSS pixels from the box to the turning grip
const REACH = 11; // CSS pixels around a grip that take hold of it

export class Pose {
  // box: where the shape lies before any move, in photo pixels.
  constructor(box) {
    this.box = box;
    this.w = box.x1 - box.x0;
    this.h = box.y1 - box.y0;
    this.reset();
  }

  reset() {
    this.dx = this.dy = this.angle = 0;
    this.scale = 1;
    this.flipX = this.flipY = false;
  }

  still() { return !this.dx && !this.dy && !this.angle && this.scale === 1 && !this.flipX && !this.flipY; }

  centre() { return { x: this.box.x0 + this.w / 2 + this.dx, y: this.box.y0 + this.h / 2 + this.dy }; }

  // Offset from the centre in the shape's own frame, in device pixels, to the place on the stage.
  place(view, ox, oy) {
    const c = this.centre(), a = (this.angle * Math.PI) / 180;
    return {
      x: c.x * view.scale + view.tx + ox * Math.cos(a) - oy * Math.sin(a),
      y: c.y * view.scale + view.ty + ox * Math.sin(a) + oy * Math.cos(a),
    };
  }

  turnGrip(view) { return this.place(view, 0, (-this.h * view.scale * this.scale) / 2 - GRIP * view.ratio); }

  scaleGrip(view) { return this.place(view, (this.w * view.scale * this.scale) / 2, (this.h * view.scale * this.scale) / 2); }

  // The photo point p in the shape's own frame, as an offset from its centre, before any move.
  inward(p) {
    const c = this.centre(), a = (-this.angle * Math.PI) / 180, x = p.x - c.x, y = p.y - c.y;
    const u = (x * Math.cos(a) - y * Math.sin(a)) / this.scale, v = (x * Math.sin(a) + y * Math.cos(a)) / this.scale;
    return { u: this.flipX ? -u : u, v: this.flipY ? -v : v };
  }

  hit(p) {
    const { u, v } = this.inward(p);
    return Math.abs(u) <= this.w / 2 && Math.abs(v) <= this.h / 2;
  }

  turn(degrees) { this.angle = ((((this.angle + degrees + 180) % 360) + 360) % 360) - 180; }

  // What a press at the device point d, the photo point p, takes hold of: "turn", "scale", "slide" or "".
  held(view, d, p) {
    const near = (grip) => Math.hypot(d.x - grip.x, d.y - grip.y) < REACH * view.ratio;
    if (near(this.turnGrip(view))) return "turn";
    if (near(this.scaleGrip(view))) return "scale";
    return this.hit(p) ? "slide" : "";
  }

  // Follow the pointer from p; returns a function(photo point, event).
  dragging(how, p) {
    const from = { dx: this.dx, dy: this.dy }, half = Math.hypot(this.w, this.h) / 2;
    if (how === "slide") {
      return (q) => { this.dx = from.dx + Math.round(q.x - p.x); this.dy = from.dy + Math.round(q.y - p.y); };
    }
    if (how === "scale") {
      return (q) => {
        const c = this.centre(), scale = Math.round((Math.hypot(q.x - c.x, q.y - c.y) / half) * 100) / 100;
        this.scale = Math.min(8, Math.max(0.1, scale));
      };
    }
    return (q, event) => {
      const c = this.centre(), angle = (Math.atan2(q.x - c.x, c.y - q.y) * 180) / Math.PI;
      this.angle = event.shiftKey ? Math.round(angle / 15) * 15 : Math.round(angle * 10) / 10;
    };
  }
}

export const CURSORS = { turn: "grab", scale: "nwse-resize", slide: "move", "": "" };

// The corners of the smallest upright box around the posed shape, clipped to a photo of w x h pixels.
function posedBox(pose, w, h) {
  const c = pose.centre(), a = (pose.angle * Math.PI) / 180, cos = Math.abs(Math.cos(a)), sin = Math.abs(Math.sin(a));
  const x = ((pose.w * cos + pose.h * sin) * pose.scale) / 2 + 1, y = ((pose.w * sin + pose.h * cos) * pose.scale) / 2 + 1;
  return {
    x0: Math.max(0, Math.floor(c.x - x)), y0: Math.max(0, Math.floor(c.y - y)),
    x1: Math.min(w, Math.ceil(c.x + x)), y1: Math.min(h, Math.ceil(c.y + y)),
  };
}

// Row spans [y, x0, x1) of the posed shape on a photo of w x h pixels. bits: the pixels of pose.box before any move.
// A pixel is inside where its centre comes from a pixel of the shape, so that a move by whole pixels is exact.
export function posedSpans(bits, pose, w, h) {
  const box = posedBox(pose, w, h), spans = [], step = 1 / pose.scale, a = (-pose.angle * Math.PI) / 180;
  const du = (pose.flipX ? -1 : 1) * Math.cos(a) * step, dv = (pose.flipY ? -1 : 1) * Math.sin(a) * step;
  for (let y = box.y0; y < box.y1; y++) {
    const first = pose.inward({ x: box.x0 + 0.5, y: y + 0.5 });
    let u = first.u + pose.w / 2, v = first.v + pose.h / 2, from = -1;
    for (let x = box.x0; x <= box.x1; x++, u += du, v += dv) {
      const i = Math.floor(u + 1e-9), j = Math.floor(v + 1e-9);
      const on = x < box.x1 && i >= 0 && j >= 0 && i < pose.w && j < pose.h && bits[j * pose.w + i];
      if (on && from < 0) from = x;
      if (!on && from >= 0) { spans.push([y, from, x]); from = -1; }
    }
  }
  return spans;
}
