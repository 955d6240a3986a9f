import assert from "node:assert/strict";
import { test } from "node:test";
import { wanted } from "../../app/components/pulse.js";
import { factsHtml } from "../../app/review_grid/js/facts.js";

test("a window that nobody looks at, or was at lately, asks nothing", () => {
  assert.deepEqual([wanted(false, 0), wanted(true, 0), wanted(false, 11 * 60 * 1000)], [true, false, false]);
});

test("a score whose lower is better says so, others do not", () => {
  const sample = { scores: [["seam", "1.2×", true], ["strength", "8 %", false]], believable: 0.5, label: "a", verdict: "new", engine: "e", photo: "p", seed: "1", flaws: [] };
  assert.match(factsHtml(sample), /<dt>seam <i>lower is better<\/i><\/dt>/);
  assert.match(factsHtml(sample), /<dt>strength<\/dt>/);
});
