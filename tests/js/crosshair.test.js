import assert from "node:assert/strict";
import { test } from "node:test";
import { Crosshair, steppedPoint } from "../../app/canvas/js/crosshair.js";
import { brushWidth } from "../../app/canvas/js/tools.js";

const to = (p, name, how = {}, scale = 1) => steppedPoint(p, name, { far: false, fine: false, ...how }, scale, 100, 50);

test("an arrow goes by the screen, Ctrl by one pixel of the photo, never off it", () => {
  const p = { x: 50.5, y: 20.5 };
  assert.deepEqual(to(p, "arrowright"), { x: 62.5, y: 20.5 });
  assert.deepEqual(to(p, "arrowright", {}, 4), { x: 53.5, y: 20.5 });
  assert.deepEqual(to(p, "arrowdown", { fine: true }, 0.1), { x: 50.5, y: 21.5 });
  assert.deepEqual(to(p, "arrowup", { far: true }), { x: 50.5, y: 0.5 });
  assert.deepEqual(to(p, "arrowright", { far: true }), { x: 99.5, y: 20.5 });
});

test("Space is a press and a release where the crosshair is, with moves between", () => {
  const seen = [];
  const tools = { inside: () => true, within: (p) => p, down: (e) => seen.push(["down", e.button]), move: () => seen.push(["move"]), up: () => seen.push(["up"]), actions: { viewed() {} } };
  const S = { ready: true, pointer: { x: 3, y: 3 }, crosshair: null, value: { width: 9, height: 9 } };
  const crosshair = new Crosshair({ S, marks() {} }, { scale: 12, ratio: 1, bring: () => false, toClient: (x, y) => [x, y] }, tools, () => {});
  crosshair.toggle();
  seen.length = 0;
  crosshair.press(true);
  crosshair.press(true); // the key repeats
  crosshair.move("arrowright", {});
  crosshair.release();
  crosshair.release();
  assert.deepEqual(seen, [["down", 2], ["move"], ["up"]]);
  assert.deepEqual(S.crosshair, { x: 4.5, y: 3.5 });
  crosshair.toggle();
  assert.equal(S.crosshair, null);
});

test("a pen's pressure widens the brush, a mouse's does not", () => {
  assert.equal(brushWidth(20, { pointerType: "mouse", pressure: 0.5 }), 20);
  assert.equal(brushWidth(20, { pointerType: "pen", pressure: 0.5 }), 20);
  assert.equal(brushWidth(20, { pointerType: "pen", pressure: 1 }), 40);
  assert.equal(brushWidth(20, { pointerType: "pen", pressure: 0.01 }), 1);
  assert.equal(brushWidth(20, { pointerType: "pen", pressure: 0 }), 20, "a pen without pressure");
  assert.equal(brushWidth(20, { pointerType: "keys" }), 20);
});
