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

// Intersection over union of two masks; 1 for two empty ones.
export function runsIou(a, b) {
  const union = runsArea(combineRuns(a, b, "add"));
  return union ? runsArea(combineRuns(a, b, "intersect")) / union : 1;
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

// The pixels of `box` as bytes of 0 and 1, row-major; `w` is the photo's width and the box holds all ones.
export function boxBits(runs, box, w) {
  const width = box.x1 - box.x0, bits = new Uint8Array(width * (box.y1 - box.y0));
  forOnes(runs, (from, to) => {
    for (let i = from; i < to;) {
      const y = Math.floor(i / w), end = Math.min(to, (y + 1) * w), at = (y - box.y0) * width - y * w - box.x0;
      bits.fill(1, at + i, at + end);
      i = end;
    }
  });
  return bits;
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

export function polygonSpans(points, w, h, whole = false) {
  // A pixel is inside when its centre is: by the even-odd rule, or with `whole` wherever the outline winds around it.
  const spans = [];
  const ys = points.map((p) => p.y);
  const top = Math.max(0, Math.ceil(Math.min(...ys) - 0.5)), bottom = Math.min(h - 1, Math.floor(Math.max(...ys) - 0.5));
  for (let y = top; y <= bottom; y++) {
    const cy = y + 0.5, cuts = [];
    for (let i = 0; i < points.length; i++) {
      const p = points[i], q = points[(i + 1) % points.length];
      if ((p.y <= cy) !== (q.y <= cy)) cuts.push({ x: p.x + ((cy - p.y) / (q.y - p.y)) * (q.x - p.x), turn: p.y <= cy ? 1 : -1 });
    }
    cuts.sort((m, n) => m.x - n.x);
    for (let i = 0, winding = 0, from = 0; i < cuts.length; i++) {
      const next = whole ? winding + cuts[i].turn : winding ^ 1;
      if (!winding) from = cuts[i].x;
      if (!next) addSpan(spans, y, from, cuts[i].x, w);
      winding = next;
    }
  }
  return spans;
}

function addSpan(spans, y, from, to, w) {
  const x0 = Math.max(0, Math.ceil(from - 0.5)), x1 = Math.min(w, Math.ceil(to - 0.5)), last = spans[spans.length - 1];
  if (x1 <= x0) return;
  if (last && last[0] === y && last[2] >= x0) last[2] = Math.max(last[2], x1);
  else spans.push([y, x0, x1]);
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
