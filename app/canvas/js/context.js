// What of the photo a model sees around the mask: laid as core/images/context.py lays it, drawn, dragged and sized.

import { runsBox } from "./runs.js";
import { saidOf } from "./said.js";

const LEAST = 16; // photo pixels a side
const REACH = 9; // CSS pixels around an edge that take hold of it
const KEY_DELAY = 150; // ms after the last key until Python is told
const PATIENCE = 2000; // ms that an answer is waited for

const told = (globalThis.flawsmithContexts ??= {}); // what is seen, by the id of a canvas' element

// As Python rounds: halves to the even neighbour.
function rounded(v) {
  const low = Math.floor(v), rest = v - low;
  return rest > 0.5 || (rest === 0.5 && low % 2) ? low + 1 : low;
}

// Where `wanted` pixels of `limit` lie that hold those from `start` to `end`.
function laid(start, end, wanted, offset, limit) {
  const length = Math.min(limit, Math.max(wanted, end - start));
  const first = Math.min(Math.max(Math.floor((start + end - length) / 2) + offset, end - length), start);
  const kept = Math.min(Math.max(first, 0), limit - length);
  return [kept, kept + length];
}

// "800x600+40-20" as {width, height, dx, dy}; null for an empty or another text.
export function parsedRectangle(text) {
  const found = /^(\d+)x(\d+)(?:([+-]\d+)([+-]\d+))?$/.exec(text || "");
  if (!found) return null;
  const [width, height, dx, dy] = found.slice(1).map((n) => Number(n || 0));
  return { width, height, dx, dy };
}

export function rectangleText({ width, height, dx, dy }) {
  const signed = (n) => (n < 0 ? "" : "+") + n;
  return width + "x" + height + (dx || dy ? signed(dx) + signed(dy) : "");
}

// The photo rectangle seen around a mask's box on a photo of w x h pixels. seen: {rectangle: as above or null, margin, least}.
export function contextBox(box, { rectangle, margin, least }, w, h) {
  const bw = box.x1 - box.x0, bh = box.y1 - box.y0, extra = 2 * rounded(margin * Math.max(bw, bh)), some = Math.min(least, w, h);
  const { width, height, dx, dy } = rectangle || { width: Math.max(bw + extra, some), height: Math.max(bh + extra, some), dx: 0, dy: 0 };
  const [x0, x1] = laid(box.x0, box.x1, width, dx, w), [y0, y1] = laid(box.y0, box.y1, height, dy, h);
  return { x0, y0, x1, y1 };
}

// The rectangle by which contextBox gives `rect` around the mask's box.
export function rectangleOf(rect, box) {
  const width = rect.x1 - rect.x0, height = rect.y1 - rect.y0;
  return {
    width, height,
    dx: rect.x0 - Math.floor((box.x0 + box.x1 - width) / 2), dy: rect.y0 - Math.floor((box.y0 + box.y1 - height) / 2),
  };
}

// One axis of a rectangle whose edges moved: whole pixels on the photo that hold the mask, LEAST of them or more.
function heldAxis(first, last, start, end, limit) {
  const from = Math.min(Math.max(0, Math.round(first)), start), to = Math.max(Math.min(limit, Math.round(last)), end);
  const lack = Math.min(LEAST, limit) - (to - from);
  if (lack <= 0) return [from, to];
  const moved = Math.min(to + lack, limit);
  return [Math.max(0, moved - Math.min(LEAST, limit)), moved];
}

function heldRect({ x0, y0, x1, y1 }, box, w, h) {
  const across = heldAxis(x0, x1, box.x0, box.x1, w), down = heldAxis(y0, y1, box.y0, box.y1, h);
  return { x0: across[0], y0: down[0], x1: across[1], y1: down[1] };
}

// Which edges a press at the device point d takes hold of, as {x: "x0" | "x1" | "", y}; "slide" inside, "new" outside.
export function heldEdges(rect, view, d) {
  const reach = REACH * view.ratio, at = (v, t) => v * view.scale + t;
  const near = (a, b) => Math.abs(a - b) <= reach;
  const [left, right, top, bottom] = [at(rect.x0, view.tx), at(rect.x1, view.tx), at(rect.y0, view.ty), at(rect.y1, view.ty)];
  const between = (v, a, b) => v >= a - reach && v <= b + reach;
  if (!between(d.x, left, right) || !between(d.y, top, bottom)) return "new";
  const x = near(d.x, right) ? "x1" : near(d.x, left) ? "x0" : "", y = near(d.y, bottom) ? "y1" : near(d.y, top) ? "y0" : "";
  return x || y ? { x, y } : "slide";
}

export function edgeCursor(held) {
  if (typeof held === "string") return held === "slide" ? "move" : "crosshair";
  if (!held.x || !held.y) return held.x ? "ew-resize" : "ns-resize";
  return (held.x === "x0") === (held.y === "y0") ? "nwse-resize" : "nesw-resize";
}

export class ContextTool {
  // ask(): Python is to say what is seen; changed({context, turn}): a rectangle was set, or taken off; say(text) for screen readers.
  constructor(editor, view, { ask, changed, say }) {
    this.editor = editor;
    this.S = editor.S;
    this.view = view;
    this.tell = { ask, changed, say };
    this.boxed = { runs: null, box: null };
    this.turn = this.heard = this.timer = 0;
    this.settled = Promise.resolve(); // once Python has answered to the newest change
    this.answered = () => {};
  }

  // What Python says: {rectangle, margin, least, turn}, or null where it does not know.
  take(seen) {
    const { S } = this;
    if (!seen) S.seen = null;
    else {
      // An answer to an earlier change than the newest leaves the rectangle alone.
      const late = this.turn > this.heard && seen.turn < this.turn;
      if (!late) { this.heard = this.turn; this.answered(); }
      S.seen = { ...seen, rectangle: late && S.seen ? S.seen.rectangle : parsedRectangle(seen.rectangle) };
    }
    this.editor.marks();
  }

  // The tool was taken up, or another photo came.
  ask() {
    const { S, editor } = this;
    if (S.tool !== "context" || !S.ready) return;
    if (!editor.grid.area) editor.note("Draw a mask first: what the model sees lies about it.", false);
    this.tell.ask();
  }

  // The smallest box around the mask, or null.
  get box() {
    const { grid } = this.editor, runs = grid && grid.area ? grid.runs() : null;
    if (this.boxed.runs !== runs) this.boxed = { runs, box: runs && runsBox(runs, grid.w) };
    return this.boxed.box;
  }

  // The rectangle on the photo; null without a mask, or where nothing is known.
  get rect() {
    const { S, box, editor: { grid } } = this;
    return box && S.seen ? contextBox(box, S.seen, grid.w, grid.h) : null;
  }

  set(rect) {
    const { box, editor: { grid } } = this;
    this.S.seen = { ...this.S.seen, rectangle: rectangleOf(heldRect(rect, box, grid.w, grid.h), box) };
    this.editor.marks();
  }

  // Python gets it a little after the last key, or at once.
  send(delay = 0) {
    clearTimeout(this.timer);
    this.turn++;
    this.settled = new Promise((done) => { this.answered = done; setTimeout(done, PATIENCE); });
    const { rectangle } = this.S.seen, data = { context: rectangle ? rectangleText(rectangle) : "", turn: this.turn };
    if (delay) this.timer = setTimeout(() => this.tell.changed(data), delay);
    else this.tell.changed(data);
  }

  press(event, p) {
    const start = this.rect, before = this.S.seen && this.S.seen.rectangle;
    if (!start) { this.ask(); return { move() {} }; }
    const held = heldEdges(start, this.view, this.view.toDevice(event.clientX, event.clientY));
    let moved = false;
    return {
      move: (e) => {
        const q = this.view.toImage(e.clientX, e.clientY);
        moved ||= Math.hypot(q.x - p.x, q.y - p.y) * this.view.scale > 3 * this.view.ratio;
        if (moved) this.drag(start, held, p, q);
      },
      up: () => { if (moved) this.send(); },
      cancel: () => { this.S.seen = { ...this.S.seen, rectangle: before }; this.editor.marks(); },
    };
  }

  drag(start, held, p, q) {
    if (held === "new") this.set({ x0: Math.min(p.x, q.x), y0: Math.min(p.y, q.y), x1: Math.max(p.x, q.x), y1: Math.max(p.y, q.y) });
    else if (held === "slide") this.slide(start, q.x - p.x, q.y - p.y);
    else {
      const rect = { ...start };
      if (held.x) rect[held.x] += q.x - p.x;
      if (held.y) rect[held.y] += q.y - p.y;
      this.set(rect);
    }
  }

  // Move a rectangle as far as it holds the mask and lies on the photo; its size stays.
  slide({ x0, y0, x1, y1 }, dx, dy) {
    const { box, editor: { grid } } = this;
    const within = (d, least, most) => Math.round(Math.min(Math.max(d, least), most));
    const mx = within(dx, Math.max(box.x1 - x1, -x0), Math.min(box.x0 - x0, grid.w - x1));
    const my = within(dy, Math.max(box.y1 - y1, -y0), Math.min(box.y0 - y0, grid.h - y1));
    this.set({ x0: x0 + mx, y0: y0 + my, x1: x1 + mx, y1: y1 + my });
  }

  // By keys: move it, or move its right and lower edge.
  nudge(dx, dy, sizes) {
    const rect = this.rect;
    if (!rect) { this.ask(); return; }
    if (sizes) this.set({ ...rect, x1: rect.x1 + dx, y1: rect.y1 + dy });
    else this.slide(rect, dx, dy);
    this.send(KEY_DELAY);
    const now = this.rect;
    this.tell.say("The model sees " + (now.x1 - now.x0) + " by " + (now.y1 - now.y0) + " pixels from " + now.x0 + ", " + now.y0);
  }

  // Back to the mask's surroundings by their share.
  reset() {
    if (!this.S.seen || !this.S.seen.rectangle) return;
    this.S.seen = { ...this.S.seen, rectangle: null };
    this.editor.marks();
    this.send();
  }

  cursor(event) {
    const rect = this.rect;
    return rect ? edgeCursor(heldEdges(rect, this.view, this.view.toDevice(event.clientX, event.clientY))) : "";
  }
}

// What a model sees on the canvas in the element with this id, as JSON, whether the canvas is there already or not.
export function setContext(id, text, canvases) {
  told[id] = text ? JSON.parse(text) : null;
  for (const canvas of canvases) showContext(canvas);
}

export function showContext(canvas) {
  const seen = saidOf(canvas.root, told);
  if (seen !== undefined) canvas.tools.context.take(seen);
}
