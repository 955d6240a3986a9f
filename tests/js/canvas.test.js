import assert from "node:assert/strict";
import { test } from "node:test";
import { keyName } from "../../app/canvas/js/keys.js";
import { rgba } from "../../app/canvas/js/overlay.js";
import { fittingRegions } from "../../app/canvas/js/photo_loader.js";
import { maskBits } from "../../app/canvas/js/picture.js";
import { asking, nextSeq } from "../../app/canvas/js/server.js";
import { areaText } from "../../app/canvas/js/status.js";
import { Sync } from "../../app/canvas/js/sync.js";

test("keys are called as the buttons call them", () => {
  const name = (key, more = {}) => keyName({ key, code: "", ctrlKey: false, metaKey: false, shiftKey: false, ...more });
  assert.equal(name("Z", { ctrlKey: true, shiftKey: true }), "ctrl+shift+z");
  assert.equal(name("z", { metaKey: true }), "ctrl+z");
  assert.equal(name("?", { shiftKey: true }), "?"); // on any keyboard, whether Shift makes it or not
  assert.equal(name(" "), "space");
  assert.equal(name("^", { code: "Backquote" }), "backquote");
});

test("a colour is a little-endian word", () => {
  assert.equal(rgba("#010203", 1), 0xff030201);
});

test("in a mask picture any channel above black counts", () => {
  assert.deepEqual([...maskBits([0, 0, 0, 255, 0, 1, 0, 255, 255, 255, 255, 0])], [0, 1, 0]);
});

test("in a black mask picture the alpha counts", () => {
  assert.deepEqual([...maskBits([0, 0, 0, 255, 0, 0, 0, 0])], [1, 0]);
  assert.deepEqual([...maskBits([0, 0, 0, 255, 0, 0, 0, 255])], [0, 0]);
});

test("regions come largest first, without those of another photo and empty ones", () => {
  const regions = [
    { name: "small", color: "#ffffff", runs: [0, 1, 11] }, { name: "large", color: "#ffffff", runs: [4, 3, 5] },
    { name: "foreign", color: "#ffffff", runs: [0, 99] }, { name: "empty", color: "#ffffff", runs: [12] },
  ];
  const fitting = fittingRegions(regions, 4, 3);
  assert.deepEqual(fitting.map((region) => region.name), ["large", "small"]);
  assert.deepEqual(fitting[0].box, { x0: 0, y0: 1, x1: 3, y1: 2 });
});

test("the area is told in pixels and percent", () => {
  assert.equal(areaText(0, 100), "No mask");
  assert.equal(areaText(1234, 100000), "Mask 1,234 px, 1.23 %");
  assert.equal(areaText(1, 12e6), "Mask 1 px, < 0.01 %");
});

test("sequence numbers grow", () => {
  const first = nextSeq();
  assert.ok(nextSeq() > first);
});

test("a server that fails, gives nothing or can't is told in words", async () => {
  const ask = asking({ fails: () => Promise.reject(new Error("down")), nothing: async () => null, fine: async () => ({ area: 3 }) });
  assert.match((await ask("fails", {})).error, /does not answer/);
  assert.match((await ask("nothing", {})).error, /no answer/);
  assert.deepEqual(await ask("fine", {}), { ok: true, final: true, area: 3 });
  assert.equal((await ask("unknown", {})).final, true);
});

// A server that answers when it is let, and the states that were shown.
function syncing() {
  const sent = [], waiting = [], shown = [];
  const ask = (name, data) => { sent.push(data.rev); return new Promise((done) => waiting.push(done)); };
  const state = { rev: 0 };
  const sync = new Sync(ask, () => ({ ...state }), (word) => shown.push(word), () => {});
  const change = () => { state.rev++; sync.changed(); };
  return { sync, change, sent, shown, answer: (reply) => waiting.shift()(reply) };
}
const soon = () => new Promise((done) => setImmediate(done));

test("changes while a mask is on its way are sent as one, the newest", async () => {
  const { sync, change, sent, shown, answer } = syncing();
  change();
  const flushed = sync.flush();
  await soon();
  change();
  change();
  answer({ ok: true });
  await soon();
  answer({ ok: true });
  await flushed;
  assert.deepEqual(sent, [1, 3]);
  assert.equal(sync.pending, false);
  assert.equal(shown.at(-1), "saved");
});

test("a refusal rejects with its reason and stays unsaved", async () => {
  const { sync, change, shown, answer } = syncing();
  change();
  const flushed = sync.flush();
  await soon();
  answer({ ok: false, final: true, error: "session: reload the page" });
  await assert.rejects(flushed, /reload the page/);
  assert.equal(sync.pending, true);
  assert.equal(shown.at(-1), "failed");
});

test("leaving a photo sends what was not sent yet", async () => {
  const { sync, change, sent, answer } = syncing();
  change();
  const left = sync.leave();
  answer({ ok: true });
  await left;
  assert.deepEqual(sent, [1]);
  assert.equal(sync.leave(), null);
});
