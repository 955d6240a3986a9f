import assert from "node:assert/strict";
import { test } from "node:test";
import * as runs from "../../app/canvas/js/runs.js";

const bits = (text) => Uint8Array.from(text.replace(/\s/g, ""), Number);
const encoded = (text) => runs.encodeRuns(bits(text), 0, bits(text).length);

function decoded(coded) {
  const out = [];
  coded.forEach((n, i) => out.push(...Array(n).fill(i & 1)));
  return out.join("");
}

test("the first run is zeros", () => {
  assert.deepEqual(encoded("0011"), [2, 2]);
  assert.deepEqual(encoded("1110"), [0, 3, 1]);
  assert.deepEqual(encoded("0000"), [4]);
});

test("encoding looks for ones only where they can be", () => {
  assert.deepEqual(runs.encodeRuns(bits("000110000"), 2, 6), [3, 2, 4]);
});

test("joins of two masks are those of their pixels", () => {
  const joins = { add: "0111", subtract: "0100", intersect: "0001", replace: "0011", differ: "0110" };
  for (const [how, expected] of Object.entries(joins)) {
    assert.equal(decoded(runs.combineRuns(encoded("0101"), encoded("0011"), how)), expected, how);
  }
});

test("joining keeps the number of pixels and never splits a run", () => {
  for (let seed = 1; seed < 200; seed++) {
    const some = (k) => Uint8Array.from({ length: 60 }, (_, i) => (((i * k * seed) % 7) < 3 ? 1 : 0));
    const a = some(1), b = some(5), joined = runs.combineRuns(runs.encodeRuns(a, 0, 60), runs.encodeRuns(b, 0, 60), "add");
    assert.equal(runs.runsSum(joined), 60);
    assert.ok(joined.slice(1).every((n) => n > 0));
    assert.equal(runs.runsArea(joined), a.filter((bit, i) => bit | b[i]).length);
  }
});

test("a box is tight, also around a run that goes on in the next row", () => {
  assert.deepEqual(runs.runsBox(encoded("0000 0110 0010 0000"), 4), { x0: 1, y0: 1, x1: 3, y1: 3 });
  assert.deepEqual(runs.runsBox(encoded("0000 0001 1000 0000"), 4), { x0: 0, y0: 1, x1: 4, y1: 3 });
  assert.equal(runs.runsBox([16], 4), null);
});

test("a pixel is asked by its index", () => {
  const coded = encoded("0011 0100");
  assert.deepEqual([0, 2, 3, 4, 5, 7].map((i) => runs.runsHold(coded, i)), [false, true, true, false, true, false]);
});

test("a polygon holds the pixels whose centre is inside", () => {
  const square = [{ x: 1, y: 1 }, { x: 3, y: 1 }, { x: 3, y: 3 }, { x: 1, y: 3 }];
  assert.equal(decoded(runs.spansToRuns(runs.polygonSpans(square, 4, 4), 4, 4)), "0000011001100000");
  const outside = square.map((p) => ({ x: p.x - 10, y: p.y }));
  assert.deepEqual(runs.polygonSpans(outside, 4, 4), []);
});

test("a box is rounded and cut at the photo's edge", () => {
  const spans = runs.boxSpans({ x0: -3, y0: 0.6, x1: 1.4, y1: 9 }, 4, 3);
  assert.deepEqual(spans, [[1, 0, 1], [2, 0, 1]]);
  assert.deepEqual(runs.boxSpans({ x0: 5, y0: 0, x1: 6, y1: 2 }, 4, 3), []);
});

test("rectangles unite; none is the neutral one", () => {
  const a = { x0: 0, y0: 5, x1: 2, y1: 6 }, b = { x0: 1, y0: 0, x1: 9, y1: 1 };
  assert.deepEqual(runs.unite(a, b), { x0: 0, y0: 0, x1: 9, y1: 6 });
  assert.equal(runs.unite(null, b), b);
});
