// What the canvas says: notices, the status bar, the busy sign.

export const digits = (n) => n.toLocaleString("en-US");

// "Mask 1,234 px, 0.13 %" of a photo of `size` pixels.
export function areaText(area, size) {
  if (!area) return "No mask";
  const share = (100 * area) / size;
  return "Mask " + digits(area) + " px, " + (share < 0.01 ? "< 0.01" : share.toFixed(2)) + " %";
}

// Which candidate of a prompt is on show: "region washer, 1 of 4" or "candidate 2 of 4 (0.93)".
export function rankText({ candidates, index }) {
  const { name, score } = candidates[index], place = index + 1 + " of " + candidates.length;
  if (name !== undefined) return "region " + name + ", " + place;
  return "candidate " + place + (score === undefined ? "" : " (" + score.toFixed(2) + ")");
}

export class Status {
  constructor(canvas) {
    this.canvas = canvas;
    this.noteTimer = this.busyTimer = 0;
  }

  note(text, bad) {
    const box = this.canvas.find("note");
    clearTimeout(this.noteTimer);
    box.textContent = text;
    box.classList.toggle("fsc-bad", !!bad);
    box.hidden = !text;
    if (text) this.noteTimer = setTimeout(() => { box.hidden = true; }, bad ? 9000 : 4500);
  }

  // For screen readers only.
  say(text) { this.canvas.find("said").textContent = text; }

  enable(name, on) { this.canvas.root.querySelector("[data-do=" + name + "]").disabled = !on; }

  showArea() {
    const { editor, S } = this.canvas;
    if (!editor.grid) return;
    const { area, w, h } = editor.grid;
    this.canvas.find("area").textContent = areaText(area, w * h);
    this.enable("clear", area && !S.readonly);
    this.enable("undo", editor.history.past.length || S.pending);
    this.enable("redo", editor.history.future.length);
  }

  showPointer(p) {
    const inside = p && this.canvas.S.ready && this.canvas.tools.inside(p);
    this.canvas.find("pos").textContent = inside ? Math.floor(p.x) + ", " + Math.floor(p.y) : "";
  }

  showSaved(state, reason) {
    const words = { saving: "Saving", saved: "Saved", failed: "Not saved" }, place = this.canvas.find("saved");
    place.textContent = words[state];
    place.dataset.state = state;
    if (state === "failed") this.note(reason, true);
  }

  showBusy(on) {
    const sign = this.canvas.find("busy");
    clearTimeout(this.busyTimer);
    if (on) this.busyTimer = setTimeout(() => { sign.hidden = false; }, 180);
    else sign.hidden = true;
    this.canvas.stage.setAttribute("aria-busy", String(on));
  }

  showSegmenter(report) {
    const { S } = this.canvas, prompt = S.prompt, many = prompt && (prompt.candidates.length > 1 || prompt.waiting);
    if (report.segmenter) S.segmenter = report.segmenter + (report.ms === undefined ? "" : ", " + report.ms + " ms");
    this.canvas.find("seg").textContent = [S.segmenter, many ? rankText(prompt) : ""].filter(Boolean).join(" \u00b7 ");
    this.enable("candidate", many);
  }
}
