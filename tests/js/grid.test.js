import assert from "node:assert/strict";
import { test } from "node:test";
import { MaskGrid, TILE } from "../../app/canvas/js/grid.js";
import { History, packTile, unpackTile } from "../../app/canvas/js/history.js";

const W = 300, H = 200;

// What the grid keeps must be what its bits say.
function check(grid) {
  let area = 0;
  for (const bit of grid.bits) area += bit;
  assert.equal(grid.area, area);
  assert.equal(grid.counts.reduce((sum, n) => sum + n, 0), area);
}

function stroked() {
  const grid = new MaskGrid(W, H);
  grid.begin();
  grid.stroke({ x: 20, y: 20 }, { x: 260, y: 150 }, 9, 1);
  return grid;
}

test("a brush paints a round dot of its diameter", () => {
  const grid = new MaskGrid(W, H);
  grid.stroke({ x: 50, y: 50 }, { x: 50, y: 50 }, 20, 1);
  check(grid);
  assert.ok(Math.abs(grid.area - Math.PI * 100) < 12, `${grid.area} pixels`);
  grid.stroke({ x: 50, y: 50 }, { x: 50, y: 50 }, 20, 0);
  assert.equal(grid.area, 0);
});

test("a stroke over the edge is cut, one outside touches nothing", () => {
  const grid = new MaskGrid(W, H);
  grid.stroke({ x: 0, y: 0 }, { x: 0, y: 0 }, 20, 1);
  check(grid);
  assert.ok(grid.area > 0);
  assert.equal(grid.stroke({ x: -50, y: -50 }, { x: -50, y: -50 }, 20, 1), null);
});

test("assigning runs makes exactly this mask and tells what it touched", () => {
  const grid = stroked(), runs = [W * 10 + 5, 7, W * H - W * 10 - 12];
  grid.assign(runs);
  check(grid);
  assert.equal(grid.area, 7);
  assert.deepEqual(grid.runs(), runs);
  assert.equal(grid.assign(runs), null);
});

test("a single pixel is seen at every level of the pyramid", () => {
  const grid = new MaskGrid(W, H);
  grid.assign([W * 77 + 133, 1, W * H - W * 77 - 134]);
  for (const [k, level] of grid.levels.entries()) assert.ok(level.data[(77 >> k) * level.w + (133 >> k)] > 0, `level ${k}`);
});

test("tiles at the edge are as small as what is left", () => {
  const grid = new MaskGrid(W, H);
  assert.deepEqual(grid.tileRect(grid.tilesX * grid.tilesY - 1), { x0: 2 * TILE, y0: TILE, x1: W, y1: H });
});

test("packed tiles come back", () => {
  const tile = Uint8Array.from({ length: 131 }, (_, i) => (i % 3 === 0 ? 1 : 0));
  assert.deepEqual(unpackTile(packTile(tile)), tile);
  assert.equal(unpackTile(packTile(1)), 1);
});

test("undo and redo go through the same masks", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const grid = stroked(), history = new History(grid), seen = [[W * H]];
  history.commit(null, null);
  seen.push(grid.runs());
  grid.begin();
  grid.assign([100, 50, W * H - 150]);
  history.commit(null, null);
  seen.push(grid.runs());
  t.mock.timers.tick(1000); // packs
  assert.ok(history.bytes > 0);
  for (const expected of [seen[1], seen[0]]) { history.undo(); assert.deepEqual(grid.runs(), expected); check(grid); }
  assert.equal(history.undo(), null);
  for (const expected of [seen[1], seen[2]]) { history.redo(); assert.deepEqual(grid.runs(), expected); check(grid); }
});

test("an edit after undo forgets what could be redone", () => {
  const grid = stroked(), history = new History(grid);
  history.commit(null, null);
  history.undo();
  grid.begin();
  grid.assign([0, 5, W * H - 5]);
  history.commit(null, null);
  assert.equal(history.redo(), null);
  assert.equal(grid.area, 5);
});

test("an edit that changes nothing is no step", () => {
  const grid = stroked(), history = new History(grid);
  history.commit(null, null);
  grid.begin();
  grid.stroke({ x: 20, y: 20 }, { x: 21, y: 20 }, 3, 1);
  assert.equal(history.commit(null, null), false);
  assert.equal(history.past.length, 1);
});

test("an abandoned edit leaves no trace", () => {
  const grid = stroked(), history = new History(grid);
  history.commit(null, null);
  const before = grid.runs();
  grid.begin();
  grid.stroke({ x: 100, y: 10 }, { x: 120, y: 190 }, 30, 1);
  history.abandon();
  assert.deepEqual(grid.runs(), before);
  check(grid);
});
