import assert from "node:assert/strict";
import { test } from "node:test";
import { Dropper, sized, turnedBy } from "../../app/canvas/js/drop.js";

function canvas(answers) {
  const asked = [], shapes = [], notes = [];
  const S = { tool: "drop", ready: true, readonly: false, mode: "add", value: { sid: "s", image_id: "p" }, drop: null };
  const editor = { S, note: (text) => notes.push(text), marks() {}, shape: (rle, how) => shapes.push([rle, how]) };
  const dropper = new Dropper(async (name, data) => { asked.push(data); return answers(data); }, editor, () => {});
  return { S, asked, shapes, notes, dropper };
}

test("a press lays the shape that the ghost shows, sized and turned, and takes up another", async () => {
  const { S, asked, shapes, dropper } = canvas((data) => (data.x === undefined ? { ok: true, rings: [[[0, 0]]] } : { ok: true, rle: [5] }));
  await dropper.look();
  dropper.wheel({ deltaY: -1, altKey: false });
  dropper.wheel({ deltaY: 1, altKey: true });
  assert.deepEqual([S.drop.scale, S.drop.degrees], [1.1, 6]);
  dropper.press({ x: 3, y: 4 }, false);
  dropper.press({ x: 5, y: 6 }, true);
  await dropper.settled;
  assert.deepEqual(shapes, [[[5], "add"], [[5], "subtract"]]);
  const laid = asked.filter((one) => one.x !== undefined);
  assert.deepEqual(laid.map(({ shape, scale, degrees, x }) => [shape, scale, degrees, x]), [[1, 1.1, 6, 3], [2, 1.1, 6, 5]]);
  assert.equal(asked[0].shape, laid[0].shape);
});

test("a refusal is told and the photo stays as it is", async () => {
  const { shapes, notes, dropper } = canvas(() => ({ ok: false, error: "Label is empty" }));
  dropper.press({ x: 1, y: 1 }, false);
  await dropper.settled;
  assert.deepEqual([shapes, notes], [[], ["Label is empty"]]);
});

test("sizes have ends, and a turn comes round", () => {
  assert.equal(sized(10, true), 10);
  assert.equal(sized(0.1, false), 0.1);
  assert.equal(turnedBy(2, true), 356);
  assert.equal(turnedBy(356, false), 2);
});
