// Polygon and lasso. A closed polygon keeps its corners until something else is done: drag one, press on an edge for
// another, right-click or Shift-click one to remove it.

import { LiveStep } from "./live_step.js";
import { polygonSpans, spansToRuns } from "./runs.js";

const NEAR = 9, ON_EDGE = 6; // CSS pixels

// The edge of a closed polygon nearest to p and how far it is: {index, distance}; the edge goes from corner `index`.
export function nearestEdge(points, p) {
  let best = { index: -1, distance: Infinity };
  points.forEach((a, index) => {
    const b = points[(index + 1) % points.length], dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
    const t = length ? Math.max(0, Math.min(1, ((p.x - a.x) * dx + (p.y - a.y) * dy) / length)) : 0;
    const distance = Math.hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
    if (distance < best.distance) best = { index, distance };
  });
  return best;
}

class OutlineTool {
  constructor(tools) {
    this.tools = tools;
    this.editor = tools.editor;
    this.S = tools.S;
    this.view = tools.view;
  }

  css(pixels) { return (pixels * this.view.scale) / this.view.ratio; }

  near(a, b) { return this.css(Math.hypot(a.x - b.x, a.y - b.y)) < NEAR; }

  runs(points, whole) {
    const { width, height } = this.S.value;
    return spansToRuns(polygonSpans(points, width, height, whole), width, height);
  }
}

export class PolygonTool extends OutlineTool {
  // The closed polygon whose corners can still be moved, or null.
  get closed() {
    const { closed } = this.S;
    if (closed && !closed.step.alive) this.S.closed = null;
    return this.S.closed;
  }

  press(event, p, take) {
    const { S } = this, closed = this.closed, first = S.polygon[0], q = this.tools.within(p);
    if (closed && !first) {
      const gesture = this.pressCorner(closed, p, q, take);
      if (gesture) return gesture;
      S.closed = null;
    }
    if (first && S.polygon.length > 2 && this.near(first, p)) this.close(take);
    else { if (!first) S.polygonTakes = take; S.polygon = [...S.polygon, q]; }
    return { move() {} };
  }

  pressCorner(closed, p, q, take) {
    const before = closed.points, corner = before.findIndex((c) => this.near(c, p)), edge = nearestEdge(before, p);
    if (corner < 0 && (take || this.css(edge.distance) > ON_EDGE)) return null;
    if (take) {
      if (before.length > 3) this.reshape(closed, before.filter((_, i) => i !== corner));
      else this.editor.note("A polygon has three corners at least. Ctrl+Z takes it back.", false);
      return { move() {} };
    }
    const index = corner < 0 ? edge.index + 1 : corner;
    const points = corner < 0 ? [...before.slice(0, index), q, ...before.slice(index)] : before;
    if (corner < 0) this.reshape(closed, points);
    return {
      move: (e) => {
        const to = this.tools.within(this.view.toImage(e.clientX, e.clientY));
        this.reshape(closed, points.map((c, i) => (i === index ? to : c)));
      },
      cancel: () => this.reshape(closed, before),
    };
  }

  reshape(closed, points) {
    closed.points = points;
    closed.step.show(this.runs(points), closed.how);
  }

  double() {
    const S = this.S, n = S.polygon.length;
    if (n < 2) return;
    // The second click of the pair set a corner on top of the first one's.
    if (this.near(S.polygon[n - 1], S.polygon[n - 2])) S.polygon = S.polygon.slice(0, -1);
    this.close(false);
  }

  close(take) {
    const S = this.S, points = S.polygon;
    if (points.length < 3) return;
    S.polygon = [];
    if (S.pending) this.tools.prompter.drop();
    S.closed = { points, how: take || S.polygonTakes ? "subtract" : S.mode, step: new LiveStep(this.editor) };
    this.reshape(S.closed, points);
    this.tools.prompter.report({});
  }
}

export class Lasso extends OutlineTool {
  press(event, p, take) {
    const S = this.S;
    S.lasso = [this.tools.within(p)];
    return {
      move: (e) => {
        const all = e.getCoalescedEvents ? e.getCoalescedEvents() : [];
        for (const c of all.length ? all : [e]) {
          const q = this.tools.within(this.view.toImage(c.clientX, c.clientY)), last = S.lasso[S.lasso.length - 1];
          if (this.css(Math.hypot(q.x - last.x, q.y - last.y)) >= 1) S.lasso = [...S.lasso, q];
        }
      },
      up: () => {
        const points = S.lasso;
        S.lasso = [];
        if (points.length > 2) this.tools.join(this.runs(points, true), take);
      },
      cancel: () => { S.lasso = []; },
    };
  }
}
