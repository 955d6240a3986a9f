// What the canvas says: notices, the status bar, the busy sign.

let noteTimer = 0;
function note(text, bad) {
  const box = find("note");
  clearTimeout(noteTimer);
  box.textContent = text;
  box.classList.toggle("fsc-bad", !!bad);
  box.hidden = !text;
  if (text) noteTimer = setTimeout(() => { box.hidden = true; }, bad ? 9000 : 4500);
}

const digits = (n) => n.toLocaleString("en-US");

function showArea() {
  if (!editor.grid) return;
  const { area, w, h } = editor.grid, share = (100 * area) / (w * h);
  const percent = area && share < 0.01 ? "< 0.01" : share.toFixed(2);
  find("area").textContent = area ? "Mask " + digits(area) + " px, " + percent + " %" : "No mask";
  root.querySelector("[data-do=clear]").disabled = !area || S.readonly;
  root.querySelector("[data-do=undo]").disabled = !editor.history.past.length && !S.pending;
  root.querySelector("[data-do=redo]").disabled = !editor.history.future.length;
}

function showPointer(p) {
  const inside = p && S.ready && tools.inside(p);
  find("pos").textContent = inside ? Math.floor(p.x) + ", " + Math.floor(p.y) : "";
}

function showSaved(state, reason) {
  const words = { saving: "Saving", saved: "Saved", failed: "Not saved" };
  find("saved").textContent = words[state];
  find("saved").dataset.state = state;
  if (state === "failed") note(reason, true);
}

let busyTimer = 0;
function showBusy(on) {
  clearTimeout(busyTimer);
  if (on) busyTimer = setTimeout(() => { find("busy").hidden = false; }, 180);
  else find("busy").hidden = true;
  stage.setAttribute("aria-busy", String(on));
}

function showSegmenter(report) {
  const prompt = S.prompt, many = prompt && prompt.candidates.length > 1;
  if (report.segmenter) S.segmenter = report.segmenter + (report.ms === undefined ? "" : ", " + report.ms + " ms");
  const score = prompt && prompt.candidates[prompt.index].score;
  const rank = many ? "candidate " + (prompt.index + 1) + " of " + prompt.candidates.length + (score === undefined ? "" : " (" + score.toFixed(2) + ")") : "";
  find("seg").textContent = [S.segmenter, rank].filter(Boolean).join(" \u00b7 ");
  root.querySelector("[data-do=candidate]").disabled = !many;
}
