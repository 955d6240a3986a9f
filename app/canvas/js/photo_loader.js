// The value from Python: photo, mask and regions; and masks imported from a picture.

import { loadImage, pictureRuns } from "./picture.js";
import { runsArea, runsBox, runsSum } from "./runs.js";
import { digits } from "./status.js";

const PATIENCE = 120; // ms that a photo may take to load before the placeholder is shown

// Regions of the value that fit the photo, as {name, color, runs, box, area}, largest first.
export function fittingRegions(regions, width, height) {
  const fitting = regions.filter(({ runs }) => runsSum(runs) === width * height && runsArea(runs));
  const measured = fitting.map((region) => ({ ...region, box: runsBox(region.runs, width), area: runsArea(region.runs) }));
  return measured.sort((a, b) => b.area - a.area);
}

export class PhotoLoader {
  constructor(canvas) {
    this.canvas = canvas;
    this.S = canvas.S;
    this.newest = 0;
    this.late = 0; // timer of the placeholder
    this.carried = false; // whether the copied mask comes along to the next photo
    this.regionsShown = "[]";
  }

  note(text, bad) { this.canvas.status.note(text, bad); }

  async importMask(file) {
    const S = this.S;
    if (!S.ready || S.readonly) return;
    try {
      const { width, height } = S.value, runs = await pictureRuns(file, width, height), area = runsArea(runs);
      if (!area) { this.note("The mask in " + file.name + " is empty: no pixel in it is brighter than black.", true); return; }
      this.canvas.tools.join(runs, false);
      this.note("Mask from " + file.name + ": " + digits(area) + " px.", false);
    } catch (error) {
      this.note(error.message, true);
    }
  }

  async take(value) {
    const S = this.S, mine = ++this.newest, { status } = this.canvas;
    if (value && value.loading) { this.shut(); this.waiting(true); return; }
    if (!value || !value.url) { this.shut(); return; }
    if (value.v !== 1) { this.note("This page is older than the program. Reload the page.", true); return; }
    this.canvas.tools.cancel();
    const same = S.ready && S.value.image_id === value.image_id && S.value.url === value.url && S.value.sid === value.sid;
    try {
      if (same) S.value = value;
      else if (!(await this.open(value, mine))) return;
      S.readonly = !!value.readonly;
      this.canvas.look.open(value.project);
      this.canvas.locks.open(value.project);
      this.canvas.root.classList.toggle("fsc-readonly", S.readonly);
      if (value.segmenter && !S.prompt) { S.segmenter = value.segmenter; status.showSegmenter({}); }
      if (same && value.mask_rle) this.takeMask(value.mask_rle);
      if (value.lay_rle && !S.readonly) {
        this.canvas.controls.setTool("transform");
        this.canvas.tools.transformer.lay(value.lay_rle);
      }
      await this.takeRegions(value, mine);
      status.showArea();
    } catch (error) {
      if (mine !== this.newest) return;
      this.waiting(false);
      this.note(error.message, true);
    }
  }

  // The old photo does not stand under the new title: a placeholder takes its place until the new one is there.
  waiting(on) {
    const { classList } = this.canvas.root;
    clearTimeout(this.late);
    classList.toggle("fsc-loading", on);
    if (on) classList.remove("fsc-open");
  }

  async takeRegions(value, mine) {
    const { overlay, editor, mover } = this.canvas, given = value.regions || [], { width, height } = value;
    const key = value.image_id + JSON.stringify(given);
    if (key === this.regionsShown) return;
    const regions = await Promise.all(given.map((region) => this.withRuns(region, width, height)));
    if (mine !== this.newest) return;
    this.regionsShown = key;
    mover.forget();
    this.S.regions = fittingRegions(regions, width, height);
    overlay.setRegions(this.S.regions, width, height);
    this.canvas.lock();
    editor.everything();
  }

  async withRuns({ name, color, rle, url }, width, height) {
    if (rle) return { name, color, runs: rle };
    const answer = await fetch(url);
    if (!answer.ok) throw new Error("The region " + name + " could not be loaded.");
    return { name, color, runs: await pictureRuns(await answer.blob(), width, height) };
  }

  // Nothing of the photo before counts any more.
  leave() {
    this.canvas.sync.leave();
    this.canvas.prompter.drop();
    this.S.ready = false;
    this.canvas.hover.clear();
    this.canvas.crosshair.leave();
  }

  shut() {
    const { editor, view, overlay, root } = this.canvas;
    this.leave();
    this.waiting(false);
    this.S.value = this.S.image = null;
    editor.grid = null;
    view.setPhoto(null, 0, 0);
    root.classList.remove("fsc-open");
    overlay.clear();
    editor.everything();
  }

  async open(value, mine) {
    this.leave();
    this.canvas.mover.forget();
    clearTimeout(this.late);
    this.late = setTimeout(() => { if (mine === this.newest) this.waiting(true); }, PATIENCE);
    const image = await loadImage(value.url);
    if (mine !== this.newest) return false;
    const { width, height } = value;
    if (image.naturalWidth !== width || image.naturalHeight !== height) {
      throw new Error("The photo is " + image.naturalWidth + "x" + image.naturalHeight + ", not " + width + "x" + height + ". Import it again.");
    }
    this.S.value = value;
    this.S.image = image;
    this.S.regions = [];
    this.canvas.overlay.labels = null;
    this.regionsShown = "";
    this.showPhoto(value);
    return true;
  }

  showPhoto({ width, height, mask_rle, readonly }) {
    const { canvas, S } = this, { editor, view } = canvas;
    editor.reset(width, height);
    view.setPhoto(S.image, width, height);
    view.fitted = true;
    if (!view.resize() && view.width) view.fit();
    if (!S.sized) canvas.controls.setSize(Math.max(8, Math.max(width, height) / 50));
    if (mask_rle && runsSum(mask_rle) === width * height) editor.grid.assign(mask_rle);
    this.waiting(false);
    canvas.root.classList.add("fsc-open");
    this.note("");
    S.ready = true;
    canvas.status.showSaved("saved");
    canvas.viewed();
    if (this.carried && !readonly) this.layCarried();
    canvas.tools.context.ask();
    this.carried = false;
  }

  layCarried() {
    const { editor, controls, tools } = this.canvas;
    if (editor.grid.area) { this.note("This photo has a mask of its own. Ctrl+V lays the copied one on it.", false); return; }
    this.S.readonly = false;
    controls.setTool("transform");
    tools.transformer.paste();
  }

  // A mask from Python on the open photo: one step of undo; the server has it already.
  takeMask(runs) {
    const { S, canvas } = this, { editor, prompter, status, sync } = canvas, { grid, history } = editor;
    if (runsSum(runs) !== grid.w * grid.h) { this.note("The mask does not fit this photo. Reload the page.", true); return; }
    if (S.pending) prompter.drop();
    const before = S.prompt;
    S.prompt = null;
    grid.begin();
    const rect = grid.assign(runs, true);
    history.commit(before, null);
    editor.repaint(rect);
    editor.marks();
    status.showSegmenter({});
    // A stroke that is on its way to the server would be newer there than this mask.
    if (sync.pending || sync.running) sync.changed();
  }
}
