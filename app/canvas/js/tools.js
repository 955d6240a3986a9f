// What the pointer does with each tool. A press starts a gesture {move, up, cancel}; right or Shift takes away.

import { ContextTool } from "./context.js";
import { Lasso, PolygonTool } from "./outlines.js";
import { boxSpans, runsHold, spansToRuns, unite } from "./runs.js";
import { Transformer } from "./transform.js";
import { Wand } from "./wand.js";

// The brush's diameter in photo pixels: a pen's pressure widens it, half of it being the size that was set.
export function brushWidth(size, { pointerType, pressure }) {
  return pointerType === "pen" && pressure > 0 ? Math.max(1, 2 * size * pressure) : size;
}

const DRAG = 4; // CSS pixels that make a press a drag

export class Tools {
  constructor(editor, view, prompter, mover, actions) {
    this.editor = editor;
    this.S = editor.S;
    this.view = view;
    this.prompter = prompter;
    this.mover = mover;
    this.actions = actions;
    this.gesture = null;
    this.fingers = new Map();
    this.polygon = new PolygonTool(this);
    this.transformer = new Transformer(editor, view);
    this.lasso = new Lasso(this);
    this.wand = new Wand(editor, prompter);
    this.context = new ContextTool(editor, view, actions);
  }

  inside(p) { return p.x >= 0 && p.y >= 0 && p.x < this.S.value.width && p.y < this.S.value.height; }

  within(p) {
    return { x: Math.min(this.S.value.width, Math.max(0, p.x)), y: Math.min(this.S.value.height, Math.max(0, p.y)) };
  }

  down(event) {
    const S = this.S;
    if (!S.ready) return;
    if (event.pointerType === "touch") this.fingers.set(event.pointerId, event);
    if (this.fingers.size === 2) { this.cancel(); this.gesture = this.pinch(); return; }
    if (this.gesture) return;
    const p = this.view.toImage(event.clientX, event.clientY), take = event.button === 2 || event.shiftKey;
    if (event.button === 1 || S.space || S.readonly) this.gesture = this.pan(event);
    else if (event.button === 0 || event.button === 2) this.gesture = this["press_" + S.tool](event, p, take);
    this.hover(event);
  }

  hover(event) {
    const p = this.view.toImage(event.clientX, event.clientY);
    this.S.pointer = p;
    this.actions.pointer(p);
    this.actions.hovered();
    this.editor.marks();
  }

  // Whether a click at p would start a selection.
  wouldAsk(p) {
    const S = this.S;
    const idle = S.ready && !S.readonly && !S.space && !this.gesture && !S.prompt && !S.pending && !this.fingers.size;
    return idle && S.tool === "click" && this.inside(p);
  }

  move(event) {
    if (!this.S.ready) return;
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, event);
    this.hover(event);
    if (this.gesture) this.gesture.move(event);
    else if (this.S.tool === "move") this.actions.cursor(this.mover.cursor(event));
    else if (this.S.tool === "transform") this.actions.cursor(this.transformer.cursor(event));
    else if (this.S.tool === "context") this.actions.cursor(this.context.cursor(event));
  }

  up(event) {
    this.fingers.delete(event.pointerId);
    const gesture = this.gesture;
    this.gesture = null;
    if (gesture && gesture.up) gesture.up(event);
    this.actions.hovered();
    this.editor.marks();
  }

  cancel() {
    const gesture = this.gesture;
    this.gesture = null;
    this.S.rubber = null;
    if (gesture && gesture.cancel) gesture.cancel();
    return !!gesture;
  }

  pan(event) {
    let x = event.clientX, y = event.clientY;
    this.S.panning = true;
    this.actions.cursor("grabbing");
    const end = () => { this.S.panning = false; this.actions.cursor(""); };
    return {
      move: (e) => {
        this.view.pan((e.clientX - x) * this.view.ratio, (e.clientY - y) * this.view.ratio);
        x = e.clientX;
        y = e.clientY;
        this.actions.viewed();
      },
      up: end,
      cancel: end,
    };
  }

  pinch() {
    const state = () => {
      const [a, b] = [...this.fingers.values()].map((f) => this.view.toDevice(f.clientX, f.clientY));
      return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, d: Math.max(8, Math.hypot(a.x - b.x, a.y - b.y)) };
    };
    let was = state();
    return {
      move: () => {
        if (this.fingers.size < 2) return;
        const now = state();
        this.view.pan(now.x - was.x, now.y - was.y);
        this.view.zoomTo(this.view.scale * (now.d / was.d), now.x, now.y);
        was = now;
        this.actions.viewed();
      },
    };
  }

  // A rectangle drawn from p; done(rectangle in image pixels) or tap() when the pointer hardly moved.
  drag(event, p, done, tap) {
    const S = this.S, from = this.within(p), x = event.clientX, y = event.clientY;
    return {
      move: (e) => {
        if (!S.rubber && Math.hypot(e.clientX - x, e.clientY - y) < DRAG) return;
        const to = this.within(this.view.toImage(e.clientX, e.clientY));
        S.rubber = {
          x0: Math.min(from.x, to.x), y0: Math.min(from.y, to.y), x1: Math.max(from.x, to.x), y1: Math.max(from.y, to.y),
        };
      },
      up: () => {
        const box = S.rubber;
        S.rubber = null;
        if (!box) tap();
        else if (box.x1 - box.x0 >= 1 && box.y1 - box.y0 >= 1) done(box);
      },
    };
  }

  press_click(event, p, take) {
    const S = this.S, running = () => S.pending || S.prompt || { points: [], box: null };
    const tap = () => {
      const { points, box } = running();
      if (!this.inside(p)) return;
      if (points.length >= 64) this.editor.note("64 clicks are enough. Press Enter and start a new selection.", true);
      else if (take && !points.length && !box) {
        this.editor.note("Start with a left click on what you want; right click then removes.", false);
      } else if (!take && !box && this.takesRegion(p)) {
        const regions = this.regionsAt(p);
        if (S.prompt) this.prompter.accept();
        this.prompter.takeRegions({ x: p.x, y: p.y, label: 1 }, regions);
        this.actions.picked(regions[0]);
      } else this.prompter.request([...points, { x: p.x, y: p.y, label: take ? 0 : 1 }], box);
    };
    return this.drag(event, p, (box) => this.prompter.request(running().points, box), tap);
  }

  press_box(event, p, take) {
    const { width, height } = this.S.value;
    return this.drag(event, p, (box) => this.join(spansToRuns(boxSpans(box, width, height), width, height), take), () => {});
  }

  // A finished shape joins the mask in the chosen mode, or is taken away.
  join(runs, take) {
    if (this.S.pending) this.prompter.drop();
    this.editor.shape(runs, take ? "subtract" : this.S.mode);
    this.prompter.report({});
  }

  press_brush(event, p, take) { return this.paint(event, p, take ? 0 : 1); }
  press_erase(event, p, take) { return this.paint(event, p, take ? 1 : 0); }

  paint(event, p, value) {
    const S = this.S, { editor, prompter } = this, { grid, history } = editor, before = S.prompt;
    if (S.pending) prompter.drop();
    S.prompt = null;
    S.erasing = value === 0;
    grid.begin();
    let last = p, dirty = null;
    const to = (q, e) => {
      const rect = grid.stroke(last, q, brushWidth(S.size, e), value);
      last = q;
      dirty = unite(dirty, rect);
      editor.repaint(rect);
      this.actions.counted();
    };
    to(p, event);
    return {
      move: (e) => {
        const all = e.getCoalescedEvents ? e.getCoalescedEvents() : [];
        for (const c of all.length ? all : [e]) to(this.view.toImage(c.clientX, c.clientY), c);
      },
      up: () => { S.erasing = false; editor.finish(dirty, before, null); prompter.report({}); },
      cancel: () => {
        S.erasing = false;
        S.prompt = before;
        editor.repaint(history.abandon());
        this.actions.counted();
      },
    };
  }

  regionAt(p) {
    if (!this.inside(p)) return null;
    const index = Math.floor(p.y) * this.S.value.width + Math.floor(p.x);
    return [...this.S.regions].reverse().find((r) => runsHold(r.runs, index)) || null;
  }

  // Whether a click at p takes a named region: with no selection under way, or after another region was taken.
  takesRegion(p) {
    const { prompt, pending, mode } = this.S, regions = this.regionsAt(p);
    if (!regions.length || pending) return false;
    if (!prompt) return true;
    const shown = prompt.candidates[prompt.index];
    return mode === "add" && prompt.points.length === 1 && shown.name !== undefined && shown.rle !== regions[0].runs;
  }

  // The shown regions that hold p, smallest first.
  regionsAt(p) {
    if (!this.editor.screen.overlay.showRegions || !this.inside(p)) return [];
    const index = Math.floor(p.y) * this.S.value.width + Math.floor(p.x);
    return this.S.regions.filter((r) => runsHold(r.runs, index)).reverse();
  }

  press_region(event, p, take) {
    const region = this.regionAt(p);
    if (region) {
      this.join(region.runs, take);
      this.actions.picked(region);
    } else {
      this.editor.note(this.S.regions.length ? "There is no region here." : "This photo has no regions yet.", false);
    }
    return { move() {} };
  }

  press_polygon(event, p, take) { return this.polygon.press(event, p, take); }
  press_lasso(event, p, take) { return this.lasso.press(event, p, take); }
  press_wand(event, p, take) { return this.wand.press(event, p, take); }
  press_context(event, p) { return this.context.press(event, p); }
  press_transform(event, p) { return this.transformer.press(event, p); }

  press_drop(event, p, take) {
    if (this.S.pending) this.prompter.drop();
    return this.inside(p) ? this.actions.drop(p, take) : { move() {} };
  }

  press_move(event, p) { return this.mover.press(event, p, this.regionAt(p)); }
}
