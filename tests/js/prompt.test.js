import assert from "node:assert/strict";
import { test } from "node:test";
import { MaskGrid } from "../../app/canvas/js/grid.js";
import { History } from "../../app/canvas/js/history.js";
import { Prompter } from "../../app/canvas/js/prompt.js";

// A photo of 6x1 pixels and a segmenter that answers when it is let.
function prompting() {
  const grid = new MaskGrid(6, 1), waiting = [];
  const S = { value: { sid: "s", image_id: "a" }, prompt: null, pending: null, mode: "add" };
  const editor = {
    S, grid, history: new History(grid), marks() {}, repaint() {}, note() {},
    apply(runs, before, after) { grid.begin(); grid.assign(runs); this.history.commit(before, after); },
  };
  const prompter = new Prompter(() => new Promise((done) => waiting.push(done)), editor, () => {}, () => {});
  return { prompter, S, editor, mask: () => [...grid.bits].join(""), answer: (...found) => waiting.shift()({ ok: true, candidates: found.map((rle) => ({ rle })) }) };
}
const soon = () => new Promise((done) => setImmediate(done));
const washer = { name: "washer", runs: [1, 2, 3] }, point = { x: 1, y: 0, label: 1 };

test("a click on a named region takes it before the segmenter answers", async () => {
  const { prompter, S, mask, answer } = prompting();
  prompter.takeRegions(point, [washer]);
  assert.equal(mask(), "011000");
  answer([1, 2, 3], [0, 6]);
  await soon();
  assert.equal(mask(), "011000", "the answer changes nothing by itself");
  assert.equal(S.prompt.candidates.length, 2, "what looks like the region is not offered twice");
  prompter.cycle();
  assert.equal(mask(), "111111");
  prompter.cycle();
  assert.equal(mask(), "011000");
});

test("the next candidate called for too early comes with the answer", async () => {
  const { prompter, mask, answer } = prompting();
  prompter.takeRegions(point, [washer]);
  prompter.cycle();
  assert.equal(mask(), "011000");
  answer([0, 6]);
  await soon();
  assert.equal(mask(), "111111");
});

test("undo and redo lead back to the region with all its candidates", async () => {
  const { prompter, S, editor, mask, answer } = prompting();
  prompter.takeRegions(point, [washer]);
  S.prompt = editor.history.undo().entry.before;
  answer([0, 6]);
  await soon();
  S.prompt = editor.history.redo().entry.after;
  assert.equal(mask(), "011000");
  assert.equal(S.prompt.candidates.length, 2);
});

test("of nested regions the smaller one comes first", () => {
  const { prompter, mask } = prompting();
  prompter.takeRegions(point, [washer, { name: "plate", runs: [0, 5, 1] }]);
  assert.equal(mask(), "011000");
  prompter.cycle();
  assert.equal(mask(), "111110");
});
