import assert from "node:assert/strict";
import { test } from "node:test";
import { escaped, factsHtml, goodHtml, rulesHtml } from "../../app/review_grid/js/facts.js";
import { Lineup, lineupHtml, square } from "../../app/review_grid/js/lineup.js";
import { flawsPath, placed, zoomedAt, zoomedTo } from "../../app/review_grid/js/framing.js";
import { Requests } from "../../app/review_grid/js/requests.js";
import { Selection } from "../../app/review_grid/js/selection.js";

function selection(count = 5) {
  const chosen = new Selection();
  chosen.reset(Array.from({ length: count }, (_, i) => ({ id: "s" + i })));
  chosen.go(0);
  return chosen;
}

test("what others said of a sample is told, escaped", () => {
  const sample = { label: "dent", verdict: "kept", engine: "e", photo: "a.png", seed: "1", scores: [], believable: 1, flaws: [] };
  assert.match(factsHtml({ ...sample, others: ["ben: rejected, <b>"] }), /ben: rejected, &lt;b&gt;/);
  assert.doesNotMatch(factsHtml(sample), /ben/);
});

test("one sample is chosen, within the page", () => {
  const chosen = selection();
  chosen.go(99);
  assert.deepEqual(chosen.judged, ["s4"]);
  chosen.go(-3);
  assert.deepEqual(chosen.judged, ["s0"]);
});

test("a range grows and shrinks around where it began", () => {
  const chosen = selection();
  chosen.go(2);
  chosen.reach(4);
  assert.deepEqual(chosen.judged, ["s2", "s3", "s4"]);
  chosen.reach(1);
  assert.deepEqual(chosen.judged, ["s1", "s2"]);
  assert.equal(chosen.current.id, "s1");
});

test("several are chosen one by one, and never none", () => {
  const chosen = selection();
  chosen.toggle(3);
  assert.deepEqual(chosen.judged, ["s0", "s3"]);
  chosen.toggle(0);
  chosen.toggle(3);
  assert.deepEqual(chosen.judged, ["s3"]);
});

test("an empty page has nothing to judge", () => {
  const chosen = selection(0);
  chosen.all();
  assert.equal(chosen.current, null);
  assert.deepEqual(chosen.judged, []);
});

const IMAGE = { width: 1000, height: 500 }, PANE = [400, 400];

test("a whole image is centred", () => {
  const { corner, pixel } = placed(IMAGE, PANE, 1, [0.1, 0.9]);
  assert.deepEqual(corner, [0, 100]);
  assert.equal(pixel, 0.4);
});

test("a zoomed image leaves no edge of the pane empty", () => {
  const { corner, pixel } = placed(IMAGE, PANE, 4, [-1, 2]);
  assert.deepEqual(corner.map(Math.round), [0, 400 - 500 * pixel]);
});

test("zooming keeps the image point under the pointer", () => {
  const at = (scale, middle, [x, y]) => {
    const { corner, pixel } = placed(IMAGE, PANE, scale, middle);
    return [(x - corner[0]) / pixel, (y - corner[1]) / pixel];
  };
  const pointer = [150, 220], before = at(4, [0.5, 0.5], pointer);
  const { scale, middle } = zoomedAt(IMAGE, PANE, 4, [0.5, 0.5], pointer, 1.5);
  const after = at(scale, middle, pointer);
  assert.equal(scale, 6);
  assert.ok(Math.hypot(after[0] - before[0], after[1] - before[1]) < 1e-9);
});

test("zoom ends at the whole image and at large pixels", () => {
  assert.equal(zoomedAt(IMAGE, PANE, 2, [0.5, 0.5], [0, 0], 1e-6).scale, 1);
  assert.equal(zoomedAt(IMAGE, PANE, 2, [0.5, 0.5], [0, 0], 1e6).scale * 0.4, 24);
});

test("an anomaly is framed with room around it", () => {
  const { scale, middle } = zoomedTo([400, 200, 600, 300], IMAGE, PANE), { pixel } = placed(IMAGE, PANE, scale, middle);
  assert.deepEqual(middle, [0.5, 0.5]);
  assert.ok(200 * pixel < 400 && 200 * pixel > 150);
});

const SAMPLE = {
  id: "s0", label: "crack", verdict: "new", engine: "perlin", photo: "part", seed: 7, scores: [["contrast", "0.50"]], flaws: [],
  believable: 0.5, edit: "", reason: "", compared: false,
};

test("what people typed is text, not markup", () => {
  const html = factsHtml({ ...SAMPLE, label: "<img src=x onerror=alert(1)>", reason: "a & b" });
  assert.ok(!html.includes("<img") && html.includes("&lt;img") && html.includes("a &amp; b"));
  assert.equal(escaped("'\""), "&#39;&quot;");
});

test("facts say what is known", () => {
  assert.match(factsHtml(SAMPLE), /believability<\/dt><dd>0\.50/);
  assert.match(factsHtml({ ...SAMPLE, copy: ["nearly a copy", "0.02", "high"] }), /nearly a copy/);
  assert.match(goodHtml(undefined), /Looking for/);
  assert.match(goodHtml({ name: "" }), /no other good part/);
  assert.match(goodHtml({ name: "part 2", d: 1.234, own: null, picture: "p.png" }), /Nearest good part <b>part 2<.*distance 1\.23 of 6/);
});

test("requests keep the order of the keys, whatever the server takes", async () => {
  const answered = [], server = { judge: ({ wait, sid }) => new Promise((done) => setTimeout(() => { answered.push(wait); done({ ok: true, sid }); }, wait)) };
  const requests = new Requests(server, assert.fail);
  requests.sid = "one";
  const replies = await Promise.all([30, 10, 0].map((wait) => requests.ask("judge", { wait })));
  assert.deepEqual(answered, [30, 10, 0]);
  assert.equal(replies[0].sid, "one");
  assert.equal(requests.unsent, 0);
});

test("a refused request says why and does not stop the next", async () => {
  const reasons = [], server = { bad: async () => ({ ok: false, error: "gone" }), down: () => Promise.reject(new Error()), fine: async () => ({ ok: true }) };
  const requests = new Requests(server, (reason) => reasons.push(reason));
  const replies = await Promise.all(["bad", "down", "fine"].map((name) => requests.ask(name, {})));
  assert.deepEqual(replies.map(Boolean), [false, false, true]);
  assert.equal(reasons[0], "gone");
  assert.match(reasons[1], /does not answer/);
  assert.equal(await requests.peek("bad", {}), null);
  assert.equal(reasons.length, 2);
});

const picture = (id, box, more = {}) => ({
  id, label: "<b>crack", engine: "perlin", image: "/a.png", width: 400, height: 300, crop: [0, 0, 60, 60], outline: { box, path: "M0 0Z" }, ...more,
});

test("pictures of a line-up have one scale, about their own anomaly and on the photo", () => {
  assert.deepEqual(square(picture("a", [190, 140, 210, 160]), 100), [150, 100, 100]);
  assert.deepEqual(square(picture("b", [0, 0, 10, 10]), 100), [0, 0, 100]);
  assert.deepEqual(square(picture("c", [390, 290, 400, 300]), 350), [50, -25, 350]);
  const html = lineupHtml([picture("a", [190, 140, 210, 160]), picture("b", [0, 0, 10, 10], { crop: [0, 0, 120, 90], real: true })], 2);
  assert.equal((html.match(/60 60'/g) || []).length, 2);
  assert.ok(html.includes("real: &lt;b&gt;crack") && !html.includes("<b>crack"));
});

test("two to four are lined up, one only beside real ones", async () => {
  const place = { dataset: {}, addEventListener() {}, innerHTML: "" }, on = new Set();
  const root = { querySelector: () => place, classList: { toggle: (name, yes) => (yes ? on.add(name) : on.delete(name)) } };
  const lineup = new Lineup(root, async () => [picture("r", [0, 0, 9, 9], { real: true })]);
  const samples = ["a", "b", "c", "d", "e"].map((id) => picture(id, [10, 10, 20, 20]));
  const count = (n) => { lineup.show(samples.slice(0, n)); return on.has("fsb-several") ? (place.innerHTML.match(/<figure/g) || []).length : 0; };
  assert.deepEqual([0, 1, 2, 4, 5].map(count), [0, 0, 2, 4, 0]);
  lineup.setReal(true);
  lineup.show(samples.slice(0, 1));
  await Promise.resolve();
  await Promise.resolve();
  assert.equal((place.innerHTML.match(/<figure/g) || []).length, 2);
});

test("a flaw is told with its place, and circled there", () => {
  const flawed = { ...SAMPLE, width: 1000, height: 500, flaws: [{ reason: "ghost of what was there", x: 300, y: 200 }] };
  assert.match(factsHtml(flawed), /ghost of what was there <span[^>]*>worst at x 300, y 200/);
  assert.equal(flawsPath(flawed), "M 265 200 a 35 35 0 1 0 70 0 a 35 35 0 1 0 -70 0");
  assert.equal(flawsPath({ ...flawed, flaws: [] }), "");
});

test("a sample that breaks no rule of the product is said so, loudly", () => {
  assert.equal(rulesHtml({ ruled: false }), "");
  assert.match(rulesHtml({ ruled: true }), /<p class='fsb-rules'> <button/);
  assert.match(rulesHtml({ ruled: true, rules: 0 }), /data-level='none'>Breaks no rule/);
  assert.match(rulesHtml({ ruled: true, rules: 2 }), />Breaks 2 rules <button/);
  assert.match(rulesHtml({ ruled: true, rules: 2, broken: [] }), /data-level='none'>Breaks no rule of the product<\/p>/);
  assert.match(rulesHtml({ ruled: true, broken: ["1 <nut> instead of 2"] }), />Breaks: 1 &lt;nut&gt; instead of 2<\/p>/);
});
