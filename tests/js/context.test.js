import assert from "node:assert/strict";
import { test } from "node:test";
import { ContextTool, contextBox, edgeCursor, heldEdges, parsedRectangle, rectangleOf, rectangleText } from "../../app/canvas/js/context.js";
import { MaskGrid } from "../../app/canvas/js/grid.js";
import { boxSpans, spansToRuns } from "../../app/canvas/js/runs.js";

const box = { x0: 40, y0: 30, x1: 80, y1: 60 }, rect = (x0, y0, x1, y1) => ({ x0, y0, x1, y1 });

// The same cases are in tests/images/test_context.py: what is drawn is what the engine cuts out.
test("the frame lies as Python cuts it out", () => {
  const by = (margin, least) => contextBox(box, { rectangle: null, margin, least }, 120, 96);
  assert.deepEqual(by(0.5, 16), rect(20, 10, 100, 80));
  assert.deepEqual(by(0.5, 64), rect(20, 10, 100, 80));
  assert.deepEqual(by(0.0625, 16), rect(38, 28, 82, 62));
  assert.deepEqual(by(0, 512), rect(12, 0, 108, 96));
  const set = (text) => contextBox(box, { rectangle: parsedRectangle(text), margin: 9, least: 9 }, 120, 96);
  assert.deepEqual(set("60x50"), rect(30, 20, 90, 70));
  assert.deepEqual(set("60x50+8-5"), rect(38, 15, 98, 65));
  assert.deepEqual(set("60x50+99-99"), rect(40, 10, 100, 60));
  assert.deepEqual(set("20x20"), rect(40, 30, 80, 60));
  assert.deepEqual(set("900x50"), rect(0, 20, 120, 70));
});

test("a rectangle is written and read", () => {
  for (const text of ["800x600", "800x600+40-20", "61x50-3+0"]) assert.equal(rectangleText(parsedRectangle(text)), text);
  assert.equal(parsedRectangle(""), null);
  assert.equal(parsedRectangle("wide"), null);
  for (const r of [rect(30, 20, 90, 70), rect(40, 15, 101, 66)]) {
    assert.deepEqual(contextBox(box, { rectangle: rectangleOf(r, box), margin: 0, least: 0 }, 120, 96), r);
  }
});

function tool() {
  const grid = new MaskGrid(120, 96), sent = [], view = { scale: 1, tx: 0, ty: 0, ratio: 1, toImage: (x, y) => ({ x, y }), toDevice: (x, y) => ({ x, y }) };
  grid.assign(spansToRuns(boxSpans(box, 120, 96), 120, 96));
  const S = { tool: "context", ready: true, seen: null }, editor = { S, grid, marks() {}, note() {} };
  const made = new ContextTool(editor, view, { ask() {}, changed: (data) => sent.push(data), say() {} });
  made.take({ rectangle: "", margin: 0.5, least: 16, turn: 0 });
  const drag = (from, to) => {
    const gesture = made.press({ clientX: from[0], clientY: from[1] }, { x: from[0], y: from[1] });
    gesture.move({ clientX: to[0], clientY: to[1] });
    gesture.up();
  };
  return { made, sent, drag, S };
}

test("edges, corners and the inside take hold, and the mask stays inside", () => {
  const { made, sent, drag } = tool();
  drag([60, 50], [66, 47]);
  assert.deepEqual(made.rect, rect(26, 7, 106, 77));
  assert.deepEqual(sent.pop(), { context: "80x70+6-3", turn: 1 });
  drag([106, 77], [90, 70]);
  assert.deepEqual(made.rect, rect(26, 7, 90, 70));
  drag([26, 40], [200, 40]);
  assert.deepEqual(made.rect, rect(40, 7, 90, 70), "an edge stops at the mask");
  drag([60, 50], [-300, 500]);
  assert.deepEqual(made.rect, rect(30, 30, 80, 93), "a slide stops where the mask would leave it");
  drag([5, 5], [110, 90]);
  assert.deepEqual(made.rect, rect(5, 5, 110, 90), "outside begins a new one");
  drag([60, 50], [60, 51]);
  assert.equal(sent.length, 4, "a press that hardly moves changes nothing");
  made.reset();
  assert.deepEqual([made.rect, sent.pop().context], [rect(20, 10, 100, 80), ""]);
});

test("an answer to an older change leaves the newest rectangle alone", async () => {
  const { made, drag } = tool();
  drag([60, 50], [66, 47]);
  drag([66, 47], [70, 47]);
  const newest = made.rect;
  made.take({ rectangle: "80x70+6-3", margin: 0.5, least: 16, turn: 1 });
  assert.deepEqual(made.rect, newest);
  made.take({ rectangle: "80x70+10-3", margin: 0.5, least: 16, turn: 2 });
  await made.settled;
  assert.deepEqual(made.rect, newest);
  made.take({ rectangle: "60x50", margin: 0.5, least: 16, turn: 0 });
  assert.deepEqual(made.rect, rect(30, 20, 90, 70));
});

test("the cursor says what a press would take hold of", () => {
  const view = { scale: 2, tx: 10, ty: 10, ratio: 1 }, r = rect(0, 0, 50, 50), at = (x, y) => edgeCursor(heldEdges(r, view, { x, y }));
  assert.deepEqual([at(10, 10), at(110, 110), at(110, 10), at(60, 60), at(10, 60), at(60, 110), at(300, 60)],
    ["nwse-resize", "nwse-resize", "nesw-resize", "move", "ew-resize", "ns-resize", "crosshair"]);
});
