// Keys, buttons, and the talk with the server.

const TASTES = "flawsmith-review", PLACE = "flawsmith-review-at";
const taste = Object.assign({ view: "slider", outline: true, zoom: false }, JSON.parse(localStorage.getItem(TASTES) || "{}"));
const S = { sid: null, page: null, fetching: 0, unsent: 0, shown: "" };
const compare = new Compare();
const tiles = new Tiles(chosen);
const escaped = (text) => { const p = document.createElement("p"); p.textContent = text; return p.innerHTML; };

// Requests go one after the other, in the order of the keys.
let line = Promise.resolve();
function ask(name, data) {
  S.unsent++;
  const answer = line.then(() => server[name]({ sid: S.sid, ...data })).catch(() => null).then((reply) => {
    S.unsent--;
    if (reply && reply.ok) return reply;
    say(reply ? reply.error : "The server does not answer: is Flawsmith still running? Reload the page.", true);
    return null;
  });
  line = answer;
  return answer;
}

function say(text, bad) {
  const note = find("note");
  note.textContent = text;
  note.dataset.bad = bad ? "1" : "0";
}

async function look(name = "look", data = {}, where = 0) {
  const mine = ++S.fetching;
  const reply = await ask(name, data);
  if (reply && mine === S.fetching) show(reply, where);
  if (mine === S.fetching) S.fetching = 0;
}

function show(page, where) {
  S.page = page;
  root.dataset.state = page.rows.length ? "full" : "empty";
  tiles.fill(page.rows, page.groups, best);
  const last = page.offset + page.rows.length;
  find("where").textContent = page.rows.length ? (page.offset + 1) + " to " + last + " of " + page.total : "";
  find("back").disabled = page.offset === 0;
  find("forth").disabled = last >= page.total;
  const before = sessionStorage.getItem(PLACE), place = page.rows.findIndex((r) => r.id === before);
  tiles.go(place >= 0 ? place : where < 0 ? page.rows.length - 1 : 0);
}

function chosen() {
  const sample = tiles.current, several = tiles.judged.length;
  compare.show(sample);
  for (const button of root.querySelectorAll(".fsb-verdicts [data-verdict]")) {
    button.firstChild.textContent = (button.dataset.verdict === "kept" ? "Keep " : "Reject ") + (several > 1 ? several + " " : "");
  }
  if (!sample) return;
  sessionStorage.setItem(PLACE, sample.id);
  facts(sample);
  for (const next of tiles.rows.slice(tiles.at + 1, tiles.at + 3)) new Image().src = next.image;
}

function facts(sample) {
  const cells = sample.scores.map(([title, value]) => "<div><dt>" + escaped(title) + "</dt><dd>" + escaped(value) + "</dd></div>");
  cells.push("<div><dt>believability</dt><dd>" + sample.believable.toFixed(2) + "</dd></div>");
  cells.push("<div title='0 is the same anomaly, 1 is nothing like it'><dt>nearest kept</dt><dd class='fsb-near'>" + (sample.near ?? "…") + "</dd></div>");
  find("facts").innerHTML = "<p><b>" + escaped(sample.label) + "</b> <span class='fsb-verdict' data-verdict='" + sample.verdict + "'>" + sample.verdict +
    "</span> <span class='fs-quiet'>" + escaped(sample.engine) + " on " + escaped(sample.photo) + ", seed " + escaped(sample.seed) +
    "</span></p>" + (sample.edit ? "<p class='fsb-reason'>" + escaped(sample.edit) + "</p>" : "") + (sample.by || sample.reason ? "<p class='fsb-reason'>" + escaped([sample.by, sample.reason].filter(Boolean).join(": ")) + "</p>" : "") +
    copied(sample) + "<dl>" + cells.join("") + "</dl>" + (sample.compared ? "<div class='fsb-good'></div>" : "");
  good(sample);
  clearTimeout(facts.later);
  if (sample.near === undefined || (sample.compared && !sample.good)) facts.later = setTimeout(() => { nearest(sample); beside(sample); }, 200);
}

// Is it a real example over again?
function copied(sample) {
  if (!sample.copy) return "";
  const [words, number, level] = sample.copy;
  return "<p class='fsb-copy' data-level='" + level + "'>" + escaped(words) + " <span class='fs-quiet'>nearest one " + escaped(number) + "</span></p>";
}

// The good part that is most like it, where the engine may have redrawn the photo.
function good(sample) {
  const place = find("good"), seen = sample.good;
  if (!place) return;
  if (!seen) { place.innerHTML = "<span class='fs-quiet'>Looking for the good part most like it …</span>"; return; }
  if (!seen.name) { place.innerHTML = "<span class='fs-quiet'>There is no other good part to compare it with.</span>"; return; }
  const own = seen.own === null ? "" : "; its own photo " + seen.own.toFixed(2);
  place.innerHTML = "<img src='" + seen.picture + "' alt='The good part most like it'><span>Nearest " + (seen.own === null ? "" : "other ") + "good part <b>" +
    escaped(seen.name) + "</b><br><span class='fs-quiet' title='0 is the same picture, 6 the farthest (ComGEN, eq. 6)'>distance " + seen.d.toFixed(2) + " of 6" + own + "</span></span>";
}

async function beside(sample) {
  if (!sample.compared || sample.good || tiles.current !== sample) return;
  const reply = await server.beside({ sid: S.sid, ids: [sample.id] }).catch(() => null);
  if (!reply || !reply.ok) return;
  sample.good = reply.good;
  if (tiles.current === sample) good(sample);
}

async function nearest(sample) {
  if (S.unsent || tiles.current !== sample) return;
  const reply = await server.about({ sid: S.sid, ids: [sample.id] }).catch(() => null);
  if (!reply || !reply.ok) return;
  sample.near = reply.near === 1 ? "none kept" : reply.near.toFixed(2);
  const cell = find("near");
  if (cell && tiles.current === sample) cell.textContent = sample.near;
}

function judge(verdict) {
  const ids = tiles.judged;
  if (!ids.length || S.fetching) return;
  tiles.say(ids, verdict);
  stored(ask("judge", { ids, verdict }));
  say(ids.length > 1 ? ids.length + " samples " + verdict : "");
  const after = Math.max(...ids.map((id) => tiles.rows.findIndex((r) => r.id === id))) + 1;
  if (after < tiles.rows.length) tiles.go(after);
  else if (!find("forth").disabled) turn(1);
  else { tiles.go(tiles.rows.length - 1); say("That was the last one of this filter."); }
}

// Verdicts that the server refused must not stay on the screen.
function stored(answer) {
  answer.then((reply) => {
    if (!reply) { look(); return; }
    for (const row of tiles.rows) delete row.near;
    clearTimeout(stored.later);
    stored.later = setTimeout(() => trigger("judged", {}), 250);
  });
}

async function again(what) {
  const answer = ask(what, {});
  stored(answer);
  const reply = await answer;
  if (!reply) return;
  const ids = Object.keys(reply.verdicts), here = ids.filter((id) => tiles.byId && tiles.byId.has(id));
  for (const id of here) tiles.say([id], reply.verdicts[id]);
  const done = what === "undo" ? "Took back" : "Did again";
  if (!reply.count) say("Nothing to " + what + ".");
  else if (here.length) { say(done + ": " + reply.count + (reply.count > 1 ? " verdicts" : " verdict")); tiles.go(tiles.rows.findIndex((r) => r.id === here[0])); }
  else {
    if (ids.length) sessionStorage.setItem(PLACE, ids[0]);
    await look();
    say(done + ": " + reply.count + (reply.count > 1 ? " verdicts" : " verdict"));
  }
}

async function best(ids) {
  const answer = ask("best", { ids });
  stored(answer);
  const reply = await answer;
  if (!reply) return;
  for (const id of ids) tiles.say([id], reply.verdicts[id]);
  const kept = tiles.rows.findIndex((r) => reply.verdicts[r.id] === "kept");
  tiles.go(kept >= 0 ? kept : tiles.at);
  say("Kept the best of " + ids.length);
}

// Judged samples leave a filter of new ones, so the next page begins after those that stay.
function turn(step) {
  if (S.fetching || find(step > 0 ? "forth" : "back").disabled) return;
  const filter = S.verdict, left = tiles.rows.filter((r) => !filter || r.verdict === filter).length;
  sessionStorage.removeItem(PLACE);
  return look("turn", { step, left }, step);
}

function step(by) {
  const to = tiles.at + by;
  if (to >= tiles.rows.length) { if (by === 1) turn(1); }
  else if (to < 0) { if (by === -1) turn(-1); }
  else tiles.go(to);
}

function setTaste(name, value) {
  taste[name] = value;
  localStorage.setItem(TASTES, JSON.stringify(taste));
  paintTaste();
}

function paintTaste() {
  root.classList.toggle("fsb-outlined", taste.outline);
  if (compare.mode !== taste.view || !compare.stage.dataset.view) compare.setMode(taste.view);
  if (compare.zoomed !== taste.zoom) compare.setZoom(taste.zoom);
  for (const b of root.querySelectorAll("[data-view].fsb-button")) b.setAttribute("aria-pressed", String(b.dataset.view === taste.view));
  for (const b of root.querySelectorAll("[data-toggle]")) b.setAttribute("aria-pressed", String(taste[b.dataset.toggle]));
}

root.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { view, toggle, verdict } = button.dataset;
  if (view) setTaste("view", view);
  else if (toggle) setTaste(toggle, !taste[toggle]);
  else if (verdict) judge(verdict);
  else if (button.dataset.do) again(button.dataset.do);
  else if (button.classList.contains("fsb-back")) turn(-1);
  else if (button.classList.contains("fsb-forth")) turn(1);
});
const holder = root.querySelector("[data-hold]");
holder.addEventListener("pointerdown", () => compare.blink(true));
for (const name of ["pointerup", "pointerleave", "pointercancel"]) holder.addEventListener(name, () => compare.blink(false));

// A held key repeats; a verdict must not.
const KEYS = {
  a: (e) => e.repeat || judge("kept"), r: (e) => e.repeat || judge("rejected"), n: (e) => e.repeat || judge("new"),
  u: (e) => e.repeat || again(e.shiftKey ? "redo" : "undo"),
  m: (e) => e.repeat || setTaste("outline", !taste.outline), z: (e) => e.repeat || setTaste("zoom", !taste.zoom),
  v: (e) => e.repeat || setTaste("view", taste.view === "side" ? "slider" : "side"), o: () => compare.blink(true),
  arrowright: (e) => e.shiftKey ? tiles.reach(Math.min(tiles.at + 1, tiles.rows.length - 1)) : step(1),
  arrowleft: (e) => e.shiftKey ? tiles.reach(Math.max(tiles.at - 1, 0)) : step(-1),
  arrowdown: () => step(tiles.columns), arrowup: () => step(-tiles.columns),
  home: () => tiles.go(0), end: () => tiles.go(tiles.rows.length - 1),
  pagedown: () => turn(1), pageup: () => turn(-1), escape: () => tiles.go(tiles.at),
};
const TEXT = "input:not([type=radio]):not([type=checkbox]):not([type=range]), textarea, select, [contenteditable=true]";

function onKey(event) {
  if (!root.isConnected) { document.removeEventListener("keydown", onKey); return; }
  const at = event.target, key = event.key.toLowerCase();
  if (root.offsetParent === null || at.matches(TEXT) || event.altKey || event.defaultPrevented) return;
  if (at.matches("input, [role=tab], [role=slider]") && key.startsWith("arrow")) return;
  if (event.ctrlKey || event.metaKey) {
    if (key === "a" && tiles.rows.length) { event.preventDefault(); tiles.all(); }
    return;
  }
  const act = KEYS[key];
  if (!act || !tiles.rows.length && key !== "u") return;
  event.preventDefault();
  act(event);
}
document.addEventListener("keydown", onKey);
document.addEventListener("keyup", (event) => { if (event.key.toLowerCase() === "o") compare.blink(false); });
window.addEventListener("blur", () => compare.blink(false));
window.addEventListener("beforeunload", (event) => { if (S.unsent && root.isConnected && root.offsetParent) event.preventDefault(); });

function take() {
  const value = props.value;
  if (!value || !value.sid) return;
  const fresh = S.sid === null;
  S.sid = value.sid;
  S.verdict = value.verdict || null;
  find("why").innerHTML = value.why || "";
  if (!fresh) say("");
  // After a choice in a list the keys belong to the board again.
  const focus = document.activeElement;
  if (!fresh && root.offsetParent && focus && focus.closest(".fs-filters") && focus.matches(TEXT)) focus.blur();
  look();
}
watch("value", take);
paintTaste();
take();
