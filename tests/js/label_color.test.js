import assert from "node:assert/strict";
import test from "node:test";

import { labelColor, setLabel, showLabel } from "../../app/canvas/js/label_color.js";

function canvasIn(id) {
  const seen = [];
  return { seen, root: { closest: (selector) => (selector === "#" + id ? {} : null) }, overlay: { setColor: (c) => seen.push(c) }, editor: { everything() {} } };
}

test("a label that the page wrote down before the canvas was there colours its mask", () => {
  globalThis.flawsmithLabels["early"] = "crack";
  const canvas = canvasIn("early");
  showLabel(canvas);
  assert.deepEqual(canvas.seen, [labelColor("crack")]);
  assert.notEqual(labelColor("crack"), labelColor(""));
});

test("a new label recolours the canvas of that element and no other keeps its label", () => {
  const here = canvasIn("here"), other = canvasIn("other");
  setLabel("here", "dent", [here, other]);
  assert.deepEqual(here.seen, [labelColor("dent")]);
  assert.deepEqual(other.seen, []);
});
