import assert from "node:assert/strict";
import { test } from "node:test";
import { Tray, secondsToGo, timeInWords, titleOf } from "../../assets/js/tray.js";

test("the time to go follows from what was done since", () => {
  assert.equal(secondsToGo({ share: 0, at: 0 }, { share: 0.25, at: 10 }), 30);
  assert.equal(secondsToGo({ share: 0.5, at: 0 }, { share: 0.5, at: 10 }), null);
  assert.deepEqual([null, 0.2, 40, 600, 7200].map(timeInWords), ["", "1 s to go", "40 s to go", "10 min to go", "2.0 h to go"]);
});

test("the title says how far the first job is, and nothing where that is not known", () => {
  assert.equal(titleOf([{ share: 0.429 }, { share: 0.9 }], "cap"), "42 % · cap");
  assert.equal(titleOf([{ share: null }], "cap"), "cap");
  assert.equal(titleOf([], "cap"), "cap");
});

test("running jobs are told with their tab, opened and stopped; the rest is gone", () => {
  const pressed = [], tab = { textContent: " Studio ", click: () => pressed.push("open") };
  const job = (status, now) => ({
    querySelector: (what) => what === ".fs-bar-text" ? { dataset: { status } } : what === ".fs-bar" ? { getAttribute: (name) => (name === "aria-valuemax" ? "10" : String(now)) }
      : { click: () => pressed.push("stop") },
    closest: () => ({ id: "p" }),
  });
  let rows = [job("running", 5), job("done", 10)], shown = [];
  const made = () => ({ listeners: {}, children: [], setAttribute() {}, addEventListener(type, run) { this.listeners[type] = run; }, append(...all) { this.children.push(...all); } });
  const document = { title: "cap · Flawsmith", querySelectorAll: () => rows, querySelector: () => tab, createElement: made };
  const tray = new Tray({ document, performance: { now: () => 0 } }, { replaceChildren: (...all) => { shown = all; } });
  tray.draw();
  assert.equal(document.title, "50 % · cap · Flawsmith");
  assert.deepEqual(shown.map((item) => item.children[0].textContent), ["Studio · 50 %"]);
  for (const button of shown[0].children) button.listeners.click();
  assert.deepEqual(pressed, ["open", "stop"]);
  rows = [];
  tray.draw();
  assert.deepEqual([shown.length, document.title], [0, "cap · Flawsmith"]);
});
