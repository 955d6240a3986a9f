import assert from "node:assert/strict";
import { test } from "node:test";
import { MaskGrid } from "../../app/canvas/js/grid.js";

globalThis.localStorage = { items: {}, getItem(key) { return this.items[key] ?? null; }, setItem(key, value) { this.items[key] = value; } };
const { Locks } = await import("../../app/canvas/js/locks.js");

const grid = () => {
  const made = new MaskGrid(8, 1);
  made.assign([2, 2, 4]); // ..##....
  made.lock([3, 3, 2]); //   ...###..
  return made;
};
const shown = (made) => [...made.bits].map((b) => ".#"[b]).join("");

test("no edit changes a locked pixel", () => {
  const painted = grid(), erased = grid(), cleared = grid();
  painted.stroke({ x: 0, y: 0.5 }, { x: 8, y: 0.5 }, 3, 1);
  assert.equal(shown(painted), "####..##");
  erased.stroke({ x: 0, y: 0.5 }, { x: 8, y: 0.5 }, 3, 0);
  assert.equal(shown(erased), "...#....");
  cleared.assign([8]);
  assert.equal(shown(cleared), "...#....");
  assert.equal(cleared.area, 1);
  assert.deepEqual(cleared.runs(), [3, 1, 4]);
});

test("a mask from the server is taken as it is", () => {
  const made = grid();
  made.assign([0, 8], true);
  assert.equal(shown(made), "########");
});

test("locks are by name, remembered for each project", () => {
  const locks = new Locks(), regions = [{ name: "nut", runs: [0, 1, 3] }, { name: "bolt", runs: [2, 1, 1] }, { name: "cap", runs: [3, 1] }];
  locks.open("tray");
  assert.equal(locks.runs(regions), null);
  assert.equal(locks.toggle("nut"), true);
  locks.toggle("bolt");
  assert.deepEqual(locks.runs(regions), [0, 1, 1, 1, 1]);
  locks.open("plate");
  assert.equal(locks.runs(regions), null);
  locks.open("tray");
  assert.equal(locks.toggle("nut"), false);
  assert.deepEqual(locks.runs(regions), [2, 1, 1]);
});
