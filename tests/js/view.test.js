import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_SCALE, View } from "../../app/canvas/js/view.js";

const LEFT = 30, TOP = 12;

// A stage of 600x400 CSS pixels, two device pixels each; no photo is drawn.
function viewOf(w, h) {
  globalThis.window = { devicePixelRatio: 2 };
  const box = { left: LEFT, top: TOP, width: 600, height: 400 };
  const layer = () => ({ getContext: () => null, getBoundingClientRect: () => box, width: 0, height: 0 });
  const stage = { getBoundingClientRect: () => box, clientWidth: 600, clientHeight: 400 };
  const view = new View(stage, { photo: layer(), over: layer(), top: layer() });
  view.setPhoto(null, w, h);
  assert.ok(view.resize());
  return view;
}

test("a photo that fits is whole and in the middle", () => {
  const view = viewOf(1000, 1000), a = view.toClient(0, 0), b = view.toClient(1000, 1000);
  assert.ok(a[0] > LEFT && a[1] > TOP && b[0] < LEFT + 600 && b[1] < TOP + 400);
  assert.ok(Math.abs(a[0] + b[0] - 2 * LEFT - 600) <= 1 && Math.abs(a[1] + b[1] - 2 * TOP - 400) <= 1);
});

test("page to photo and back is the same place", () => {
  const view = viewOf(1234, 777);
  view.zoomTo(3.7, 200, 300);
  const p = view.toImage(...view.toClient(400.25, 300.5));
  assert.ok(Math.abs(p.x - 400.25) < 1e-9 && Math.abs(p.y - 300.5) < 1e-9);
});

test("zooming keeps the point under the pointer", () => {
  const view = viewOf(1000, 800), client = [LEFT + 250, TOP + 180], before = view.toImage(...client);
  const d = view.toDevice(...client);
  for (const scale of [2, 9, 0.9]) {
    view.zoomTo(scale, d.x, d.y);
    const after = view.toImage(...client);
    assert.ok(Math.hypot(after.x - before.x, after.y - before.y) < 1e-9, `at ${scale}`);
  }
});

test("zoom has ends", () => {
  const view = viewOf(1000, 800);
  view.zoomTo(1e6, 0, 0);
  assert.equal(view.scale, MAX_SCALE);
  view.zoomTo(0, 0, 0);
  assert.ok(view.scale > 0);
});

test("a photo can't be lost by panning", () => {
  const view = viewOf(1000, 800);
  view.pan(1e5, -1e5);
  const s = view.toScreen({ x0: 0, y0: 0, x1: 1000, y1: 800 }, 0);
  assert.ok(s && s.x1 - s.x0 >= 90 && s.y1 - s.y0 >= 90);
});

test("what is out of sight has no rectangle on the screen", () => {
  const view = viewOf(1000, 800);
  view.zoomTo(40, 0, 0);
  assert.equal(view.toScreen({ x0: 990, y0: 790, x1: 1000, y1: 800 }, 0), null);
});
