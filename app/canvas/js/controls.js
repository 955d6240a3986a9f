// Buttons, keys and pointer events to what they do.

function viewed() {
  find("zoom").textContent = Math.round(view.scale * 100) + " %";
  editor.everything();
}

function setTool(name) {
  tools.cancel();
  if (S.pending) prompter.drop();
  if (S.prompt) prompter.accept();
  S.tool = name;
  S.polygon = [];
  root.dataset.tool = name;
  stage.style.cursor = "";
  find("hint").textContent = HINTS[name];
  for (const b of root.querySelectorAll("[data-tool]")) if (b !== root) b.setAttribute("aria-checked", String(b.dataset.tool === name));
  editor.marks();
}

function setMode(name) {
  S.mode = name;
  for (const b of root.querySelectorAll("[data-mode]")) b.setAttribute("aria-checked", String(b.dataset.mode === name));
  if (S.prompt) prompter.redo({ mode: name });
}

function setSize(size, fromSlider) {
  S.size = Math.max(1, Math.min(MAX_BRUSH, Math.round(size)));
  const slider = root.querySelector(".fsc-size input");
  if (!fromSlider) slider.value = String(Math.round((100 * Math.log(S.size)) / Math.log(MAX_BRUSH)));
  slider.setAttribute("aria-valuetext", S.size + " pixels");
  root.querySelector(".fsc-size output").textContent = S.size + " px";
  editor.marks();
}

function stepSize(up) {
  S.sized = true;
  setSize(up ? Math.max(S.size + 1, S.size * 1.2) : Math.min(S.size - 1, S.size / 1.2));
}

function zoomStep(event) {
  const d = view.toDevice(event.clientX, event.clientY), lines = event.deltaMode === 1 ? 16 : 1;
  const delta = Math.max(-240, Math.min(240, event.deltaY * lines));
  view.zoomTo(view.scale * Math.exp(-delta * (event.ctrlKey ? 0.01 : 0.0022)), d.x, d.y);
  viewed();
  tools.hover(event);
}

function toggle(name, on) {
  root.querySelector("[data-do=" + name + "]").setAttribute("aria-pressed", String(on));
}

function original(on) { root.classList.toggle("fsc-bare", on); toggle("original", on); }

function help(on) {
  find("help").hidden = !on;
  toggle("help", on);
}

const DO = {
  undo() { if (tools.cancel()) return; if (S.pending) { prompter.drop(); editor.marks(); } else editor.step("undo"); showSegmenter({}); },
  redo() { editor.step("redo"); showSegmenter({}); },
  clear() { if (S.pending) prompter.drop(); editor.clear(); showSegmenter({}); },
  import() { find("file").click(); },
  candidate() { prompter.cycle(); },
  regions() { overlay.showRegions = !overlay.showRegions; toggle("regions", overlay.showRegions); editor.everything(); },
  fill() { overlay.filled = !overlay.filled; toggle("fill", overlay.filled); editor.everything(); },
  original() {},
  fit() { view.fit(); viewed(); },
  actual() { view.zoomTo(1, view.width / 2, view.height / 2); viewed(); },
  help() { help(find("help").hidden); },
};
const EDITING = ["undo", "redo", "clear", "import", "candidate"];

async function confirm() {
  if (S.polygon.length > 2) { tools.close(false); return; }
  await prompter.settled;
  prompter.accept();
  say("confirmed", { image_id: S.value.image_id, area: editor.grid.area });
}

function escape() {
  if (!find("help").hidden) help(false);
  else if (tools.cancel()) editor.marks();
  else if (S.polygon.length) { S.polygon = []; editor.marks(); }
  else if (S.pending || S.prompt) prompter.cancel();
  else if (S.tool === "move") mover.clear();
}

function turnPhoto(event) { if (S.value) say(event, { image_id: S.value.image_id }); }

const keys = new Keys(root, stage, {
  escape,
  enter() { if (!S.ready || S.readonly) return false; confirm(); },
  space() { S.space = true; root.classList.add("fsc-pan"); },
  backspace() { if (S.polygon.length) { S.polygon = S.polygon.slice(0, -1); editor.marks(); } },
  arrowleft() { turnPhoto("previous_photo"); },
  arrowright() { turnPhoto("next_photo"); },
  q() { const all = ["add", "subtract", "intersect", "replace"]; setMode(all[(all.indexOf(S.mode) + 1) % 4]); },
  "["() { stepSize(false); },
  "]"() { stepSize(true); },
  ","(e) { mover.turn(e.shiftKey ? -15 : -1); },
  "."(e) { mover.turn(e.shiftKey ? 15 : 1); },
  "<"() { mover.turn(-15); },
  ">"() { mover.turn(15); },
  held: original,
  released(key) {
    S.space = false;
    root.classList.remove("fsc-pan");
    if (!key) original(false);
  },
});

root.addEventListener("click", (event) => {
  const b = event.target.closest("button");
  if (!b) { if (event.target.closest(".fsc-help")) help(false); return; }
  if (b.dataset.tool) setTool(b.dataset.tool);
  else if (b.dataset.mode) setMode(b.dataset.mode);
  else if (b.dataset.do && (!EDITING.includes(b.dataset.do) || (S.ready && !S.readonly))) { DO[b.dataset.do](); if (S.ready) showArea(); }
});
const eye = root.querySelector("[data-do=original]");
eye.addEventListener("pointerdown", (e) => { eye.setPointerCapture(e.pointerId); original(true); });
for (const type of ["pointerup", "pointercancel"]) eye.addEventListener(type, () => original(false));
root.querySelector(".fsc-size input").addEventListener("input", (e) => {
  S.sized = true;
  setSize(Math.exp((Number(e.target.value) / 100) * Math.log(MAX_BRUSH)), true);
});

stage.addEventListener("pointerdown", (e) => {
  if (!find("help").hidden || e.target.closest(".fsc-help")) return;
  stage.focus({ preventScroll: true });
  if (e.button === 1) e.preventDefault();
  stage.setPointerCapture(e.pointerId);
  tools.down(e);
});
stage.addEventListener("pointermove", (e) => tools.move(e));
stage.addEventListener("pointerup", (e) => { tools.up(e); if (S.ready) showArea(); });
stage.addEventListener("pointercancel", (e) => { tools.fingers.delete(e.pointerId); tools.cancel(); editor.marks(); });
stage.addEventListener("pointerleave", () => { S.pointer = null; showPointer(null); editor.marks(); });
stage.addEventListener("dblclick", () => tools.double());
stage.addEventListener("contextmenu", (e) => e.preventDefault());
stage.addEventListener("wheel", (e) => {
  if (!S.ready || !find("help").hidden) return;
  e.preventDefault();
  if (e.altKey && S.tool === "move") mover.turn(e.deltaY > 0 ? 2 : -2);
  else if (e.altKey && (S.tool === "brush" || S.tool === "erase")) stepSize(e.deltaY < 0);
  else zoomStep(e);
}, { passive: false });
stage.addEventListener("dragover", (e) => { e.preventDefault(); root.classList.add("fsc-drop"); });
stage.addEventListener("dragleave", () => root.classList.remove("fsc-drop"));
stage.addEventListener("drop", (e) => {
  e.preventDefault();
  root.classList.remove("fsc-drop");
  if (e.dataTransfer.files.length) importMask(e.dataTransfer.files[0]);
});
find("file").addEventListener("change", (e) => {
  if (e.target.files.length) importMask(e.target.files[0]);
  e.target.value = "";
});
