// Run lengths of a mask: row-major, the first run is zeros; [0, 3, 1] is three ones and one zero.

export function encodeRuns(bits, from, to) {
  // Only [from, to) can hold ones.
  const runs = [];
  let at = 0, value = 0, next = from;
  for (;;) {
    next = bits.indexOf(value ^ 1, next);
    if (next < 0 || (value === 0 && next >= to)) next = bits.length;
    runs.push(next - at);
    if (next === bits.length) return runs;
    at = next;
    value ^= 1;
  }
}

const JOINS = {
  add: (p, q) => p | q,
  subtract: (p, q) => p & (q ^ 1),
  intersect: (p, q) => p & q,
  replace: (p, q) => q,
  differ: (p, q) => p ^ q,
};

export function combineRuns(a, b, how) {
  // a is the mask, b the new shape; how: add, subtract, intersect, replace, differ.
  const join = JOINS[how];
  const out = [];
  let i = 0, j = 0, ra = a[0], rb = b[0], value = 0, length = 0;
  while (i < a.length && j < b.length) {
    const step = Math.min(ra, rb), v = join(i & 1, j & 1);
    if (step > 0) {
      if (v === value) length += step;
      else { out.push(length); value = v; length = step; }
    }
    ra -= step;
    rb -= step;
    if (ra === 0) ra = a[++i];
    if (rb === 0) rb = b[++j];
  }
  out.push(length);
  return out;
}

export function runsArea(runs) {
  let area = 0;
  for (let i = 1; i < runs.length; i += 2) area += runs[i];
  return area;
}

export function runsSum(runs) {
  let sum = 0;
  for (const n of runs) sum += n;
  return sum;
}

export function forOnes(runs, visit) {
  let at = 0;
  for (let i = 0; i + 1 < runs.length; i += 2) {
    at += runs[i];
    if (runs[i + 1]) visit(at, at + runs[i + 1]);
    at += runs[i + 1];
  }
}

export function runsBox(runs, w) {
  // The smallest {x0, y0, x1, y1} (ends exclusive) around the ones, or null.
  let x0 = w, y0 = -1, x1 = 0, y1 = 0;
  forOnes(runs, (from, to) => {
    const top = Math.floor(from / w), bottom = Math.floor((to - 1) / w);
    if (y0 < 0) y0 = top;
    y1 = bottom + 1;
    x0 = top === bottom ? Math.min(x0, from - top * w) : 0;
    x1 = top === bottom ? Math.max(x1, to - top * w) : w;
  });
  return y0 < 0 ? null : { x0, y0, x1, y1 };
}

export function runsHold(runs, index) {
  let at = 0;
  for (let i = 0; i < runs.length; i++) {
    at += runs[i];
    if (index < at) return (i & 1) === 1;
  }
  return false;
}

export function spansToRuns(spans, w, h) {
  // spans: [y, x0, x1) ordered by y, then x0, not overlapping.
  const runs = [];
  let at = 0;
  for (const [y, x0, x1] of spans) {
    const from = y * w + x0;
    if (from === at && runs.length) runs[runs.length - 1] += x1 - x0;
    else runs.push(from - at, x1 - x0);
    at = y * w + x1;
  }
  if (at < w * h) runs.push(w * h - at);
  return runs;
}

export function polygonSpans(points, w, h) {
  // Even-odd rule at pixel centres; a pixel is inside when its centre is.
  const spans = [];
  const ys = points.map((p) => p.y);
  const top = Math.max(0, Math.ceil(Math.min(...ys) - 0.5)), bottom = Math.min(h - 1, Math.floor(Math.max(...ys) - 0.5));
  for (let y = top; y <= bottom; y++) {
    const cy = y + 0.5, cuts = [];
    for (let i = 0; i < points.length; i++) {
      const p = points[i], q = points[(i + 1) % points.length];
      if ((p.y <= cy) !== (q.y <= cy)) cuts.push(p.x + ((cy - p.y) / (q.y - p.y)) * (q.x - p.x));
    }
    cuts.sort((m, n) => m - n);
    for (let i = 0; i + 1 < cuts.length; i += 2) {
      const x0 = Math.max(0, Math.ceil(cuts[i] - 0.5)), x1 = Math.min(w, Math.ceil(cuts[i + 1] - 0.5));
      if (x1 > x0) spans.push([y, x0, x1]);
    }
  }
  return spans;
}

export function boxSpans(box, w, h) {
  const x0 = Math.max(0, Math.round(box.x0)), x1 = Math.min(w, Math.round(box.x1)), spans = [];
  if (x1 <= x0) return spans;
  for (let y = Math.max(0, Math.round(box.y0)); y < Math.min(h, Math.round(box.y1)); y++) spans.push([y, x0, x1]);
  return spans;
}

export function unite(a, b) {
  if (!a || !b) return a || b;
  return { x0: Math.min(a.x0, b.x0), y0: Math.min(a.y0, b.y0), x1: Math.max(a.x1, b.x1), y1: Math.max(a.y1, b.y1) };
}
