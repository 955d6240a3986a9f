// The `top` layer: points, boxes, the brush's ring, polygon corners, names of regions, the moved region.

import { GRIP } from "./pose.js";

const POSITIVE = "#1fb86a", NEGATIVE = "#e5484d", GUIDE = "#ffffff", SHADE = "rgba(12, 15, 22, 0.75)";

// How far a pose has come: "12, -3 px", "15°", "120 %".
export function poseWords({ dx, dy, angle, scale }) {
  const words = [Math.round(dx) + ", " + Math.round(dy) + " px"];
  if (angle) words.push(Math.round(angle * 10) / 10 + "\u00b0");
  if (scale !== 1) words.push(Math.round(scale * 100) + " %");
  return words;
}

export class Marks {
  constructor(view, context) {
    this.view = view;
    this.g = context;
  }

  px(n) { return n * this.view.ratio; }

  at(p) { return { x: p.x * this.view.scale + this.view.tx, y: p.y * this.view.scale + this.view.ty }; }

  // names: whether regions bear theirs; posed: the mask that is being moved as a whole, or null; seen: the photo rectangle that
  // a model sees, or null.
  paint(S, { names, posed, seen }) {
    const g = this.g;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, this.view.width, this.view.height);
    if (!this.view.w) return;
    if (names) this.names(S.regions, S.tool === "move" ? S.ghost : null);
    if (S.ghost && S.tool === "move") this.ghost(S.ghost);
    if (seen) this.seen(seen, !!S.seen.rectangle);
    if (posed) this.framed(posed, () => {}, posed.still() ? [] : poseWords(posed));
    const prompt = S.pending || S.prompt;
    if (S.preview && !prompt && S.tool === "click") S.preview.draw(g, this.view);
    if (prompt && prompt.box) this.rectangle(prompt.box, false);
    if (S.drop && S.pointer && S.tool === "drop" && !S.readonly && !S.panning) this.drop(S.drop, S.pointer);
    if (S.rubber) this.rectangle(S.rubber, S.tool === "box");
    this.outlines(S);
    if (prompt) for (const p of prompt.points) this.point(p, S.pending && !(S.prompt && S.prompt.points.includes(p)));
    if (S.crosshair) this.crosshair(S.crosshair);
    if (S.pointer && (S.tool === "brush" || S.tool === "erase") && !S.readonly && !S.panning) this.ring(S);
  }

  // A light line over a dark one: to be seen on any photo.
  double(width, dash) {
    const g = this.g;
    g.lineJoin = "round";
    g.setLineDash([]);
    g.strokeStyle = SHADE;
    g.lineWidth = this.px(width + 2);
    g.stroke();
    g.setLineDash(dash ? dash.map((n) => this.px(n)) : []);
    g.strokeStyle = GUIDE;
    g.lineWidth = this.px(width);
    g.stroke();
    g.setLineDash([]);
  }

  point(p, waiting) {
    const g = this.g, a = this.at(p);
    g.beginPath();
    g.arc(a.x, a.y, this.px(5.5), 0, 7);
    g.fillStyle = p.label ? POSITIVE : NEGATIVE;
    g.globalAlpha = waiting ? 0.55 : 1;
    g.fill();
    this.double(1.6);
    g.beginPath();
    g.moveTo(a.x - this.px(2.6), a.y);
    g.lineTo(a.x + this.px(2.6), a.y);
    if (p.label) { g.moveTo(a.x, a.y - this.px(2.6)); g.lineTo(a.x, a.y + this.px(2.6)); }
    g.strokeStyle = GUIDE;
    g.lineWidth = this.px(1.5);
    g.stroke();
    g.globalAlpha = 1;
  }

  rectangle(r, solid) {
    const a = this.at({ x: r.x0, y: r.y0 }), b = this.at({ x: r.x1, y: r.y1 });
    this.g.beginPath();
    this.g.rect(a.x, a.y, b.x - a.x, b.y - a.y);
    this.double(1.4, solid ? null : [5, 4]);
  }

  // What the model does not see is dimmed; the frame is dashed as long as nobody set it.
  seen(r, set) {
    const g = this.g, a = this.at({ x: r.x0, y: r.y0 }), b = this.at({ x: r.x1, y: r.y1 }), z = this.at({ x: 0, y: 0 });
    g.beginPath();
    g.rect(z.x, z.y, this.view.w * this.view.scale, this.view.h * this.view.scale);
    g.rect(a.x, a.y, b.x - a.x, b.y - a.y);
    g.fillStyle = "rgba(12, 15, 22, 0.5)";
    g.fill("evenodd");
    this.rectangle(r, set);
    for (const x of [a.x, (a.x + b.x) / 2, b.x]) {
      for (const y of [a.y, (a.y + b.y) / 2, b.y]) {
        if (x === (a.x + b.x) / 2 && y === (a.y + b.y) / 2) continue;
        g.beginPath();
        g.rect(x - this.px(4), y - this.px(4), this.px(8), this.px(8));
        g.fillStyle = GUIDE;
        g.fill();
        g.strokeStyle = SHADE;
        g.lineWidth = this.px(1.4);
        g.stroke();
      }
    }
    this.tag(r.x1 - r.x0 + " \u00d7 " + (r.y1 - r.y0) + " px" + (set ? "" : ", by the mask"), { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }, b.y - a.y);
  }

  outlines(S) {
    if (S.polygon.length) this.polygon(S.polygon, S.pointer);
    else if (S.closed && S.tool === "polygon" && S.closed.step.alive) this.polygon(S.closed.points, null, true);
    if (S.lasso.length > 1) {
      const g = this.g;
      g.beginPath();
      S.lasso.forEach((p, i) => { const a = this.at(p); if (i) g.lineTo(a.x, a.y); else g.moveTo(a.x, a.y); });
      this.double(1.4);
    }
  }

  polygon(points, pointer, closed) {
    const g = this.g;
    g.beginPath();
    points.forEach((p, i) => { const a = this.at(p); if (i) g.lineTo(a.x, a.y); else g.moveTo(a.x, a.y); });
    if (pointer) { const a = this.at(pointer); g.lineTo(a.x, a.y); }
    if (closed) g.closePath();
    else if (points.length > 1) { g.save(); g.closePath(); g.fillStyle = "rgba(255, 255, 255, 0.14)"; g.fill(); g.restore(); }
    this.double(1.4);
    points.forEach((p, i) => {
      const a = this.at(p);
      g.beginPath();
      g.arc(a.x, a.y, this.px(closed ? 4.4 : i ? 3.4 : 5), 0, 7);
      g.fillStyle = i || closed ? GUIDE : POSITIVE;
      g.fill();
      g.strokeStyle = SHADE;
      g.lineWidth = this.px(1);
      g.stroke();
    });
  }

  crosshair(p) {
    const g = this.g, a = this.at(p), gap = this.px(5), arm = this.px(17);
    g.beginPath();
    for (const [x, y] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      g.moveTo(a.x + x * gap, a.y + y * gap);
      g.lineTo(a.x + x * arm, a.y + y * arm);
    }
    this.double(2);
  }

  ring(S) {
    const g = this.g, a = this.at(S.pointer), r = Math.max(this.px(1.5), (S.size / 2) * this.view.scale);
    g.beginPath();
    g.arc(a.x, a.y, r, 0, 7);
    this.double(1.2, S.erasing || S.tool === "erase" ? [4, 3] : null);
    if (r > this.px(7)) {
      g.beginPath();
      g.arc(a.x, a.y, this.px(1.2), 0, 7);
      g.fillStyle = GUIDE;
      g.fill();
    }
  }

  // The outline of the mask that a press would drop: rings in photo pixels from its middle.
  drop({ rings, scale, degrees }, pointer) {
    const g = this.g, c = this.at(pointer), a = (degrees * Math.PI) / 180;
    const cos = Math.cos(a) * scale * this.view.scale, sin = Math.sin(a) * scale * this.view.scale;
    g.beginPath();
    for (const ring of rings) {
      ring.forEach(([x, y], i) => {
        const at = [c.x + x * cos - y * sin, c.y + x * sin + y * cos];
        if (i) g.lineTo(...at); else g.moveTo(...at);
      });
      g.closePath();
    }
    g.fillStyle = "rgba(255, 255, 255, 0.22)";
    g.fill("evenodd");
    this.double(1.2);
  }

  names(regions, ghost) {
    const g = this.g, family = getComputedStyle(this.view.stage).fontFamily;
    g.font = "600 " + this.px(11) + "px " + family;
    g.textBaseline = "middle";
    const taken = [];
    for (const region of regions) {
      const a = this.at({ x: region.box.x0, y: region.box.y0 }), b = this.at({ x: region.box.x1, y: region.box.y1 });
      if (ghost && ghost.region === region) continue;
      if (b.x - a.x < this.px(14) || b.y - a.y < this.px(10)) continue;
      const pad = this.px(6), lock = region.locked ? this.px(12) : 0, w = g.measureText(region.name).width + 2 * pad + this.px(9) + lock, h = this.px(18);
      const x = Math.max(this.px(3), Math.min(this.view.width - w - this.px(3), (a.x + b.x - w) / 2));
      let y = Math.max(this.px(3), Math.min(this.view.height - h - this.px(3), a.y - h - this.px(3)));
      for (const t of taken) if (x < t.x + t.w && t.x < x + w && y < t.y + h && t.y < y + h) y = t.y + h + this.px(2);
      taken.push({ x, y, w });
      g.beginPath();
      g.roundRect(x, y, w, h, h / 2);
      g.fillStyle = "rgba(16, 19, 26, 0.82)";
      g.fill();
      g.beginPath();
      g.arc(x + pad + this.px(2), y + h / 2, this.px(3.4), 0, 7);
      g.fillStyle = region.color;
      g.fill();
      g.fillStyle = "#fff";
      g.fillText(region.name, x + pad + this.px(9), y + h / 2 + this.px(0.5));
      if (lock) this.padlock(x + w - pad - this.px(7), y + h / 2);
    }
  }

  padlock(x, y) {
    const g = this.g;
    g.fillRect(x, y - this.px(0.5), this.px(7), this.px(5));
    g.beginPath();
    g.arc(x + this.px(3.5), y - this.px(0.5), this.px(2.3), Math.PI, 0);
    g.strokeStyle = "#fff";
    g.lineWidth = this.px(1.3);
    g.stroke();
  }

  ghost(ghost) {
    const g = this.g, scale = this.view.scale, moved = !ghost.still();
    if (moved) {
      g.save();
      const a = this.at({ x: ghost.box.x0, y: ghost.box.y0 });
      g.globalAlpha = 0.62;
      g.drawImage(ghost.shadow, a.x, a.y, ghost.w * scale, ghost.h * scale);
      g.restore();
    }
    this.framed(ghost, (w, h) => {
      if (!moved) return;
      g.globalAlpha = 0.94;
      g.imageSmoothingEnabled = true;
      g.drawImage(ghost.sprite, -w / 2, -h / 2, w, h);
      g.globalAlpha = 1;
    }, moved ? [ghost.region.name, ...poseWords(ghost)] : []);
  }

  // The frame and the grips of a pose around what draw(width, height) draws about the origin, and words below it.
  framed(pose, draw, words) {
    const g = this.g, { scale } = this.view, c = this.at(pose.centre());
    const w = pose.w * scale * pose.scale, h = pose.h * scale * pose.scale;
    g.save();
    g.translate(c.x, c.y);
    g.rotate((pose.angle * Math.PI) / 180);
    draw(w, h);
    g.beginPath();
    g.rect(-w / 2, -h / 2, w, h);
    this.double(1.2, [5, 4]);
    g.beginPath();
    g.moveTo(0, -h / 2);
    g.lineTo(0, -h / 2 - this.px(GRIP));
    this.double(1.2);
    g.restore();
    for (const [place, round] of [[pose.turnGrip(this.view), true], [pose.scaleGrip(this.view), false]]) {
      g.beginPath();
      if (round) g.arc(place.x, place.y, this.px(5.5), 0, 7);
      else g.rect(place.x - this.px(4.5), place.y - this.px(4.5), this.px(9), this.px(9));
      g.fillStyle = GUIDE;
      g.fill();
      g.strokeStyle = SHADE;
      g.lineWidth = this.px(1.4);
      g.stroke();
    }
    if (words.length) this.tag(words.join("   "), c, h);
  }

  tag(text, c, h) {
    const g = this.g;
    g.font = "600 " + this.px(11) + "px " + getComputedStyle(this.view.stage).fontFamily;
    g.textBaseline = "middle";
    const w = g.measureText(text).width + this.px(14), x = c.x - w / 2;
    const y = Math.min(this.view.height - this.px(24), c.y + h / 2 + this.px(10));
    g.beginPath();
    g.roundRect(x, y, w, this.px(19), this.px(9));
    g.fillStyle = "rgba(16, 19, 26, 0.85)";
    g.fill();
    g.fillStyle = "#fff";
    g.fillText(text, x + this.px(7), y + this.px(10));
  }
}
