import assert from "node:assert/strict";
import { test } from "node:test";
import { outlinedWords, sampledShape } from "../../app/canvas/js/shape_sprite.js";

globalThis.localStorage = { items: {}, getItem(key) { return this.items[key] ?? null; }, setItem(key, value) { this.items[key] = value; } };
const { Hover } = await import("../../app/canvas/js/hover.js");
const soon = (ms = 0) => new Promise((done) => setTimeout(done, ms));

// A photo of 4x1 pixels at a hundred screen pixels each; the server answers when it is let.
function hovering(regionAt = () => null) {
  const waiting = [], asked = [];
  const ask = (name, data) => { asked.push(data.points[0].x); return new Promise((done) => waiting.push(done)); };
  const S = { value: { sid: "s", image_id: "a", width: 4 }, pointer: null, preview: null };
  const editor = { S, marks() {}, screen: { view: { scale: 100, ratio: 1 } } };
  const hover = new Hover(ask, editor, { wanted: () => true, regionAt, shown() {} });
  const to = (x) => { S.pointer = { x, y: 0 }; hover.look(); };
  return { hover, S, to, asked, answer: (reply) => waiting.shift()(reply) };
}
const found = { ok: true, ready: true, candidates: [{ rle: [1, 2, 1] }] };

test("while an answer is awaited only the newest place is remembered", async () => {
  const { to, asked, answer, S } = hovering();
  for (const x of [0.1, 1, 3, 2]) to(x);
  assert.deepEqual(asked, [0.1]);
  answer(found);
  await soon(80);
  assert.deepEqual(asked, [0.1, 2], "the places between were never asked for");
  assert.deepEqual(S.preview.runs, [1, 2, 1]);
});

test("a preview that the mouse has left is hidden until the next answer", async () => {
  const { to, answer, S } = hovering();
  to(1);
  answer(found);
  await soon(60);
  assert.ok(S.preview);
  to(3);
  assert.equal(S.preview, null);
});

test("a mouse that hardly moves asks no more", async () => {
  const { to, asked, answer } = hovering();
  to(1);
  answer(found);
  await soon(60);
  to(1.01);
  await soon(60);
  assert.deepEqual(asked, [1]);
});

test("a photo that is not prepared is left in peace", async () => {
  const { to, asked, answer, S } = hovering();
  to(1);
  answer({ ok: true, ready: false, candidates: [] });
  await soon(10);
  to(3);
  await soon(100);
  assert.deepEqual(asked, [1]);
  assert.equal(S.preview, null);
});

test("over a named region that is shown, and nothing asked", () => {
  const { to, asked, S } = hovering(() => ({ runs: [0, 1, 3] }));
  to(0.5);
  assert.deepEqual(S.preview.runs, [0, 1, 3]);
  assert.deepEqual(asked, []);
});

test("switched off it shows nothing and asks nothing, and stays off", () => {
  const { hover, to, asked, S } = hovering();
  hover.toggle();
  to(2);
  assert.deepEqual(asked, []);
  assert.equal(S.preview, null);
  assert.equal(hovering().hover.on, false);
  hover.toggle();
  assert.equal(hovering().hover.on, true);
});

test("a shape is sampled at the screen's pixels", () => {
  const box = { x0: 1, y0: 0, x1: 3, y1: 1 }, place = { scale: 2, tx: 0, ty: 0 };
  const shape = sampledShape(Uint8Array.of(1, 0), box, place, { x0: 0, y0: 0, x1: 8, y1: 3 });
  assert.deepEqual([...shape], [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
});

test("an outline is dark and light by turns, the inside transparent", () => {
  const words = outlinedWords(new Uint8Array(32 * 3).fill(1), 32, 3);
  assert.equal(new Set(words.slice(0, 32)).size, 2);
  assert.equal(words[32 + 5], 0x4cffffff);
});
