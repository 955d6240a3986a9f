import assert from "node:assert/strict";
import { test } from "node:test";
import { MaskGrid } from "../../app/canvas/js/grid.js";
import { History } from "../../app/canvas/js/history.js";
import { LiveStep } from "../../app/canvas/js/live_step.js";
import { Pose, posedSpans } from "../../app/canvas/js/pose.js";
import { polygonSpans, spansToRuns } from "../../app/canvas/js/runs.js";
import { nearestEdge, PolygonTool } from "../../app/canvas/js/outlines.js";
import { fittedRuns, Transformer } from "../../app/canvas/js/transform.js";
import { colourDistance, floodRuns } from "../../app/canvas/js/wand.js";

function drawn(spans, w, h) {
  const rows = Array.from({ length: h }, () => Array(w).fill("."));
  for (const [y, x0, x1] of spans) for (let x = x0; x < x1; x++) rows[y][x] = "#";
  return rows.map((row) => row.join(""));
}
const runsOf = (rows) => {
  const text = rows.join(""), runs = [];
  let at = 0;
  for (let value = "."; at < text.length; value = value === "." ? "#" : ".") {
    const from = at;
    while (text[at] === value) at++;
    runs.push(at - from);
  }
  return runs;
};

// An editor of a mask of these rows, without a screen.
function editing(rows) {
  const w = rows[0].length, h = rows.length, grid = new MaskGrid(w, h);
  grid.assign(runsOf(rows));
  const S = { tool: "transform", mode: "add", prompt: null };
  const editor = {
    S, grid, history: new History(grid), marks() {}, repaint() {}, touched() {}, note(text) { this.said = text; },
    apply(runs, before, after) { grid.begin(); grid.assign(runs); this.history.commit(before, after); },
  };
  const shown = () => Array.from({ length: h }, (_, y) => [...grid.bits.subarray(y * w, (y + 1) * w)].map((b) => ".#"[b]).join(""));
  return { editor, shown };
}

// An L of 2x3 pixels whose box begins at (2, 1).
const L = Uint8Array.of(1, 0, 1, 0, 1, 1), box = { x0: 2, y0: 1, x1: 4, y1: 4 };
const posed = (change) => { const pose = new Pose(box); Object.assign(pose, change); return drawn(posedSpans(L, pose, 8, 6), 8, 6); };

test("a move by whole pixels is exact, and what leaves the photo is cut off", () => {
  assert.deepEqual(posed({}), ["........", "..#.....", "..#.....", "..##....", "........", "........"]);
  assert.deepEqual(posed({ dx: 3, dy: 2 }), ["........", "........", "........", ".....#..", ".....#..", ".....##."]);
  assert.deepEqual(posed({ dx: 5, dy: -2 })[1], ".......#");
});

test("flips and half a turn are exact", () => {
  assert.deepEqual(posed({ flipX: true }).slice(1, 4), ["...#....", "...#....", "..##...."]);
  assert.deepEqual(posed({ flipY: true }).slice(1, 4), ["..##....", "..#.....", "..#....."]);
  assert.deepEqual(posed({ angle: 180 }).slice(1, 4), ["..##....", "...#....", "...#...."]);
});

test("twice the size is four times the area", () => {
  const pose = new Pose(box);
  pose.scale = 2;
  const area = posedSpans(L, pose, 20, 20).reduce((sum, [, x0, x1]) => sum + x1 - x0, 0);
  assert.ok(area >= 12 && area <= 16, String(area)); // cut off at the photo's upper edge
});

test("many nudges and turns lose nothing: the shape is always drawn from the mask as it was", () => {
  const rows = ["......", ".##...", ".#....", "......", "......"], { editor, shown } = editing(rows);
  const transformer = new Transformer(editor, {});
  transformer.nudge(9, 0);
  assert.deepEqual(shown(), ["......", "......", "......", "......", "......"]);
  for (let i = 0; i < 24; i++) transformer.turn(15);
  transformer.nudge(-9, 0);
  assert.deepEqual(shown(), rows);
  transformer.nudge(1, 1);
  assert.deepEqual(shown(), ["......", "......", "..##..", "..#...", "......"]);
  assert.equal(editor.history.past.length, 1, "one step of undo");
  assert.equal(transformer.cancel(), true);
  assert.deepEqual(shown(), rows);
});

test("a flip is as seen, whatever the mask was turned by", () => {
  const rows = [".....", ".###.", ".#...", ".....", "....."], { editor, shown } = editing(rows);
  const transformer = new Transformer(editor, {});
  transformer.turn(180);
  const turned = shown();
  transformer.flip(true);
  assert.deepEqual(shown(), turned.map((row) => [...row].reverse().join("")));
});

test("a pasted mask joins what is there and is moved alone", () => {
  const { editor, shown } = editing(["##..", "....", "...."]), transformer = new Transformer(editor, {});
  transformer.lay(runsOf(["....", "#...", "...."]));
  transformer.nudge(2, 1);
  assert.deepEqual(shown(), ["##..", "....", "..#."]);
});

test("a copied mask keeps its place on a photo of another size", () => {
  assert.deepEqual(fittedRuns(runsOf(["....", ".###", "...."]), { w: 4 }, 3, 2), runsOf(["...", ".##"]));
  assert.deepEqual(fittedRuns(runsOf(["....", "....", ".###"]), { w: 4 }, 3, 2), [6]);
});

test("a step that is being shaped is one step, and ends with any other", () => {
  const { editor, shown } = editing(["...."]), step = new LiveStep(editor);
  step.show([0, 1, 3], "add");
  step.show([1, 2, 1], "add");
  assert.deepEqual(shown(), [".##."]);
  assert.equal(editor.history.past.length, 1);
  assert.equal(step.alive, true);
  editor.apply([0, 4], null, null);
  assert.equal(step.alive, false);
  editor.history.undo();
  assert.equal(step.alive, true);
  step.withdraw();
  assert.deepEqual(shown(), ["...."]);
});

test("the wand takes what is alike and connected, more of it with more tolerance", () => {
  const grey = [10, 12, 30, 10, 90, 90, 90, 10, 10, 10, 90, 10], rgba = grey.flatMap((v) => [v, v, v, 255]);
  const distance = colourDistance(rgba, 4, 3, 3, 2);
  assert.equal(distance.length, 12);
  const at = Uint8Array.from(grey, (v) => Math.abs(v - 10));
  assert.deepEqual(floodRuns(at, 4, 3, 0, 0, 5), runsOf(["##..", "....", "...."]));
  assert.deepEqual(floodRuns(at, 4, 3, 0, 0, 20), runsOf(["####", "...#", "...#"]));
  assert.deepEqual(floodRuns(at, 4, 3, 0, 0, 255), [0, 12]);
});

test("a loop that crosses itself has no hole when drawn freely", () => {
  const star = [[1, 1], [9, 1], [9, 9], [1, 9], [1, 3], [7, 3], [7, 7], [3, 7], [3, 1]].map(([x, y]) => ({ x, y }));
  const area = (spans) => spans.reduce((sum, [, x0, x1]) => sum + x1 - x0, 0);
  assert.ok(area(polygonSpans(star, 10, 10, true)) > area(polygonSpans(star, 10, 10)));
  const runs = spansToRuns(polygonSpans(star, 10, 10, true), 10, 10);
  assert.equal(runs.reduce((a, b) => a + b), 100);
});

test("an edge is found between its corners", () => {
  const square = [{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 10, y: 10 }, { x: 0, y: 10 }];
  assert.deepEqual(nearestEdge(square, { x: 5, y: 1 }), { index: 0, distance: 1 });
  assert.equal(nearestEdge(square, { x: -2, y: 5 }).index, 3);
});

test("a closed polygon's corners are dragged, added and removed within one step", () => {
  const { editor, shown } = editing(Array(6).fill("........"));
  const view = { scale: 100, ratio: 1, toImage: (x, y) => ({ x, y }) }, S = Object.assign(editor.S, { polygon: [], value: { width: 8, height: 6 } });
  const polygon = new PolygonTool({ editor, S, view, within: (p) => p, prompter: { report() {} } });
  const press = (x, y, take = false) => polygon.press({}, { x, y }, take), drag = (a, b) => press(...a).move({ clientX: b[0], clientY: b[1] });
  for (const [x, y] of [[0, 0], [4, 0], [4, 4], [0, 4]]) press(x, y);
  polygon.close(false);
  const square = shown();
  drag([4, 4], [8, 4]);
  assert.notDeepEqual(shown(), square);
  drag([8, 4], [4, 4]);
  assert.deepEqual(shown(), square);
  drag([0, 2], [0, 6]); // a press on an edge
  assert.equal(S.closed.points.length, 5);
  press(0, 6, true);
  assert.deepEqual(shown(), square);
  assert.equal(editor.history.past.length, 1);
  press(7, 5);
  assert.equal(S.closed, null, "a press elsewhere begins another polygon");
  assert.equal(S.polygon.length, 1);
});
