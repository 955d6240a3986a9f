import assert from "node:assert/strict";
import { test } from "node:test";
import { checkedValue, lookCurve, neutralLook } from "../../app/canvas/js/look.js";
import { labelColor } from "../../app/canvas/js/label_color.js";
import { MASK_COLOR, Overlay } from "../../app/canvas/js/overlay.js";

const curve = (change) => lookCurve({ ...neutralLook(), ...change });
const middle = (values) => values[(values.length - 1) / 2];

test("the neutral look shows every level as it is", () => {
  curve({}).forEach((v, i, all) => assert.ok(Math.abs(v - i / (all.length - 1)) < 1e-12));
});

test("brightness shifts, contrast spreads about the middle, gamma lifts the dark", () => {
  assert.ok(Math.abs(middle(curve({ brightness: 25 })) - 0.75) < 1e-12);
  const steep = curve({ contrast: 100 }), flat = curve({ contrast: -100 });
  assert.equal(middle(steep), 0.5);
  assert.equal(steep[0], 0);
  assert.equal(steep[20], 0);
  assert.ok(flat.every((v) => v === 0.5));
  const lifted = curve({ gamma: 2 });
  assert.equal(lifted[0], 0);
  assert.equal(lifted[64], 1);
  assert.ok(lifted[8] > 2 * curve({})[8]);
});

test("curves never fall and stay in their range", () => {
  for (const change of [{ brightness: -60, contrast: 40, gamma: 0.4 }, { brightness: 90, contrast: -30, gamma: 3 }]) {
    const values = curve(change);
    values.forEach((v, i) => assert.ok(v >= 0 && v <= 1 && (!i || v >= values[i - 1])));
  }
});

test("remembered values are checked", () => {
  assert.equal(checkedValue("gamma", undefined), 1);
  assert.equal(checkedValue("gamma", 99), 5);
  assert.equal(checkedValue("opacity", 37), 40);
  assert.equal(checkedValue("brightness", -1000), -100);
});

test("a fainter mask keeps its outline's colour", () => {
  const overlay = new Overlay({}, {}), alpha = () => overlay.maskFill[255] >>> 24, usual = alpha();
  overlay.setOpacity(0.5);
  assert.ok(Math.abs(alpha() - usual / 2) <= 1);
  overlay.setOpacity(0);
  assert.equal(alpha(), 0);
});

test("a label has its colour, always the same, and different labels mostly different ones", () => {
  const names = ["crack", "dent", "stain", "scratch", "missing", "turned"];
  assert.deepEqual(names.map(labelColor), names.map(labelColor));
  assert.ok(new Set(names.map(labelColor)).size >= 4);
  assert.equal(labelColor(""), MASK_COLOR);
  const overlay = new Overlay({}, {});
  overlay.setColor("#0000ff");
  assert.equal(overlay.maskFill[255] & 0xffffff, 0xff0000);
});
