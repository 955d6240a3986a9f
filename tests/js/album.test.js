import assert from "node:assert/strict";
import { test } from "node:test";
import { placeOf } from "../../app/tabs/product/album_grid.js";
import { itemOf, viewOf } from "../../app/tabs/product/large_view.js";

test("arrows go by one and by a row, and stop at the ends", () => {
  const to = (key, at) => placeOf(key, at, 10, 4);
  assert.deepEqual([to("ArrowRight", 3), to("ArrowLeft", 0), to("ArrowDown", 3), to("ArrowDown", 8), to("ArrowUp", 5)], [4, 0, 7, 9, 1]);
  assert.deepEqual([to("Home", 5), to("End", 5), to("b", 5)], [0, 9, null]);
});

test("a close-up lies around the defect and inside the photo", () => {
  const item = itemOf({ dataset: { width: "400", height: "300", box: "380,10,400,30", large: "u", name: "n" } });
  assert.deepEqual(viewOf(item, false), [0, 0, 400, 300]);
  assert.deepEqual(viewOf(item, true), [336, 0, 64, 64]);
  assert.deepEqual(viewOf({ ...item, box: [0, 0, 400, 300] }, true), [0, 0, 400, 300]);
  assert.deepEqual(viewOf({ ...item, box: null }, true), [0, 0, 400, 300]);
});
