// Buttons, keys and pointer events to what they do.

import { Keys } from "./keys.js";
import { keyActions, turnShape } from "./shortcuts.js";

const MAX_BRUSH = 600;
const EDITING = ["undo", "redo", "clear", "import", "candidate", "flip", "flop"];
const HINTS = {
  drop: "Click drops a mask like the label; the wheel sizes it, Alt and wheel turn it, Ctrl and wheel zoom",
  click: "Click selects, right-click removes, drag draws a box, Enter keeps",
  brush: "Drag paints, right or Shift erases, [ and ] change the size",
  erase: "Drag erases, right or Shift paints",
  wand: "Press takes what is alike and connected; drag right for more, left for less",
  lasso: "Draw around it; release closes",
  polygon: "Click corners, double-click or Enter closes; then drag corners, press on an edge for another",
  box: "Drag a box, right or Shift takes it away",
  region: "Click a region to take it, right or Shift takes it away",
  transform: "Drag the mask, turn it by the round grip, size it by the square one; arrows move it by a pixel",
  context: "Drag the frame or its edges; arrows move it, Ctrl and arrows size it; double-click or Backspace puts it back",
  move: "Drag a region, turn it by the round grip, size it by the square one",
};

export class Controls {
  constructor(canvas) {
    this.canvas = canvas;
    this.root = canvas.root;
    this.S = canvas.S;
    this.slider = this.root.querySelector(".fsc-size input");
    this.sheet = canvas.find("help");
    this.actions = this.buttonActions();
    this.keys = new Keys(this.root, canvas.stage, keyActions(this));
    this.bindButtons();
    this.bindPointer();
    this.bindFiles();
  }

  setTool(name) {
    const { tools, prompter, editor, stage } = this.canvas, S = this.S;
    tools.cancel();
    if (S.pending) prompter.drop();
    if (S.prompt) prompter.accept();
    S.tool = name;
    this.canvas.hover.look();
    S.polygon = [];
    S.closed = null;
    if (name === "transform" && S.ready && !S.readonly) tools.transformer.pose();
    this.root.dataset.tool = name;
    tools.context.ask();
    stage.style.cursor = "";
    this.canvas.dropper.look();
    this.canvas.find("hint").textContent = HINTS[name];
    for (const b of this.root.querySelectorAll("[data-tool]")) b.setAttribute("aria-checked", String(b.dataset.tool === name));
    editor.marks();
  }

  setMode(name) {
    this.S.mode = name;
    for (const b of this.root.querySelectorAll("[data-mode]")) b.setAttribute("aria-checked", String(b.dataset.mode === name));
    if (this.S.prompt) this.canvas.prompter.redo({ mode: name });
  }

  setSize(size, fromSlider) {
    const S = this.S;
    S.size = Math.max(1, Math.min(MAX_BRUSH, Math.round(size)));
    if (!fromSlider) this.slider.value = String(Math.round((100 * Math.log(S.size)) / Math.log(MAX_BRUSH)));
    this.slider.setAttribute("aria-valuetext", S.size + " pixels");
    this.root.querySelector(".fsc-size output").textContent = S.size + " px";
    this.canvas.editor.marks();
  }

  stepSize(up) {
    const S = this.S;
    S.sized = true;
    this.setSize(up ? Math.max(S.size + 1, S.size * 1.2) : Math.min(S.size - 1, S.size / 1.2));
  }

  zoomStep(event) {
    const { view, tools } = this.canvas;
    const d = view.toDevice(event.clientX, event.clientY), lines = event.deltaMode === 1 ? 16 : 1;
    const delta = Math.max(-240, Math.min(240, event.deltaY * lines));
    view.zoomTo(view.scale * Math.exp(-delta * (event.ctrlKey ? 0.01 : 0.0022)), d.x, d.y);
    this.canvas.viewed();
    tools.hover(event);
  }

  toggle(name, on) { this.root.querySelector("[data-do=" + name + "]").setAttribute("aria-pressed", String(on)); }

  original(on) {
    this.root.classList.toggle("fsc-bare", on);
    this.toggle("original", on);
  }

  help(on) {
    this.sheet.hidden = !on;
    this.toggle("help", on);
  }

  adjust(on) {
    const { panel } = this.canvas.look;
    panel.hidden = !on;
    this.toggle("adjust", on);
    // Opened by key, the keys go on in the panel; closed, back on the photo.
    if (on && document.activeElement === this.canvas.stage) panel.querySelector("input").focus();
    if (!on && panel.contains(document.activeElement)) this.canvas.stage.focus({ preventScroll: true });
  }

  flip(name, property) {
    const { overlay, editor } = this.canvas;
    overlay[property] = !overlay[property];
    this.toggle(name, overlay[property]);
    editor.everything();
  }

  buttonActions() {
    const { editor, prompter, status, view, tools } = this.canvas, S = this.S;
    return {
      undo: () => {
        if (tools.cancel()) return;
        if (S.pending) { prompter.drop(); editor.marks(); } else editor.step("undo");
        status.showSegmenter({});
      },
      redo: () => { editor.step("redo"); status.showSegmenter({}); },
      clear: () => { if (S.pending) prompter.drop(); editor.clear(); status.showSegmenter({}); },
      import: () => this.canvas.find("file").click(),
      candidate: () => prompter.cycle(),
      regions: () => { this.flip("regions", "showRegions"); this.canvas.hover.look(); },
      hover: () => { this.canvas.hover.toggle(); this.toggle("hover", this.canvas.hover.on); },
      fill: () => this.flip("fill", "filled"),
      original() {},
      adjust: () => this.adjust(this.canvas.look.panel.hidden),
      fit: () => { view.fit(); this.canvas.viewed(); },
      actual: () => { view.zoomTo(1, view.width / 2, view.height / 2); this.canvas.viewed(); },
      flip: () => this.flipMask(true),
      flop: () => this.flipMask(false),
      focus: () => this.root.dispatchEvent(new CustomEvent("flawsmith-focus", { bubbles: true })),
      help: () => this.help(this.sheet.hidden),
    };
  }

  flipMask(across) {
    if (this.S.tool !== "transform") this.setTool("transform");
    this.canvas.tools.transformer.flip(across);
  }

  async confirm() {
    const { tools, prompter, editor } = this.canvas, S = this.S;
    if (S.polygon.length > 2) { tools.polygon.close(false); return; }
    S.closed = null;
    if (S.tool === "transform") tools.transformer.live = null;
    await prompter.settled;
    prompter.accept();
    this.canvas.tell("confirmed", { image_id: S.value.image_id, area: editor.grid.area });
  }

  // False where there was nothing to cancel.
  escape() {
    const { tools, editor, prompter, mover } = this.canvas, S = this.S;
    if (!this.sheet.hidden) this.help(false);
    else if (this.canvas.crosshair.on && !tools.gesture && !S.prompt && !S.pending) this.canvas.crosshair.leave();
    else if (!this.canvas.look.panel.hidden) this.adjust(false);
    else if (tools.cancel()) editor.marks();
    else if (S.polygon.length) { S.polygon = []; editor.marks(); }
    else if (S.pending || S.prompt) prompter.cancel();
    else if (S.tool === "move" && mover.clear()) return true;
    else if (S.tool === "transform" && tools.transformer.cancel()) return true;
    else if (S.closed) { S.closed = null; editor.marks(); }
    else return false;
    return true;
  }

  turnPhoto(event) { if (this.S.value) this.canvas.tell(event, { image_id: this.S.value.image_id }); }

  press(button) {
    const { dataset } = button, S = this.S;
    if (dataset.tool) this.setTool(dataset.tool);
    else if (dataset.mode) this.setMode(dataset.mode);
    else if (dataset.do && (!EDITING.includes(dataset.do) || (S.ready && !S.readonly))) {
      this.actions[dataset.do]();
      if (S.ready) this.canvas.status.showArea();
    }
  }

  bindButtons() {
    const { root } = this, eye = root.querySelector("[data-do=original]");
    root.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.press(button);
      else if (event.target.closest(".fsc-help")) this.help(false);
    });
    eye.addEventListener("pointerdown", (e) => { eye.setPointerCapture(e.pointerId); this.original(true); });
    for (const type of ["pointerup", "pointercancel"]) eye.addEventListener(type, () => this.original(false));
    this.slider.addEventListener("input", (e) => {
      this.S.sized = true;
      this.setSize(Math.exp((Number(e.target.value) / 100) * Math.log(MAX_BRUSH)), true);
    });
  }

  bindPointer() {
    const { stage, tools, editor, status } = this.canvas, S = this.S;
    stage.addEventListener("pointerdown", (e) => {
      if (!this.sheet.hidden || e.target.closest(".fsc-help, .fsc-look")) return;
      stage.focus({ preventScroll: true });
      if (e.button === 1) e.preventDefault();
      stage.setPointerCapture(e.pointerId);
      tools.down(e);
    });
    stage.addEventListener("pointerenter", () => this.canvas.dropper.look());
    stage.addEventListener("pointermove", (e) => tools.move(e));
    stage.addEventListener("pointerup", (e) => { tools.up(e); if (S.ready) status.showArea(); });
    stage.addEventListener("pointercancel", (e) => { tools.fingers.delete(e.pointerId); tools.cancel(); editor.marks(); });
    stage.addEventListener("pointerleave", () => { S.pointer = null; status.showPointer(null); this.canvas.hover.clear(); editor.marks(); });
    stage.addEventListener("dblclick", () => { if (S.tool === "polygon") tools.polygon.double(); else if (S.tool === "context") tools.context.reset(); });
    stage.addEventListener("contextmenu", (e) => e.preventDefault());
    stage.addEventListener("wheel", (e) => this.wheel(e), { passive: false });
  }

  wheel(event) {
    const S = this.S, up = event.deltaY < 0;
    if (!S.ready || !this.sheet.hidden || event.target.closest(".fsc-look")) return;
    event.preventDefault();
    if (S.tool === "drop" && !event.ctrlKey) this.canvas.dropper.wheel(event);
    else if (event.altKey && (S.tool === "move" || S.tool === "transform")) turnShape(this.canvas, up ? -2 : 2);
    else if (event.altKey && (S.tool === "brush" || S.tool === "erase")) this.stepSize(up);
    else this.zoomStep(event);
  }

  bindFiles() {
    const { root } = this, { stage } = this.canvas, take = (files) => { if (files.length) this.canvas.loader.importMask(files[0]); };
    stage.addEventListener("dragover", (e) => { e.preventDefault(); root.classList.add("fsc-drop"); });
    stage.addEventListener("dragleave", () => root.classList.remove("fsc-drop"));
    stage.addEventListener("drop", (e) => {
      e.preventDefault();
      root.classList.remove("fsc-drop");
      take(e.dataTransfer.files);
    });
    this.canvas.find("file").addEventListener("change", (e) => {
      take(e.target.files);
      e.target.value = "";
    });
  }
}
