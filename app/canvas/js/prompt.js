// Clicks and boxes to a mask: asks the segmenter, newest wins, and keeps what Esc and undo need.
// A prompt is never changed, only replaced: {points, box, base, mode, candidates, index}; base is the mask before it.
// One that began with named regions also has `seq`, and `waiting` until the segmenter has answered too.

import { combineRuns, runsIou, runsSum } from "./runs.js";
import { nextSeq } from "./server.js";

const SAME = 0.98; // IoU above which a candidate shows nothing that the regions do not
const FLIGHTS = 2; // requests under way at once; a third waits, and only the newest waits

export class Prompter {
  constructor(ask, editor, busy, report) {
    this.ask = ask; // see server.js
    this.editor = editor;
    this.busy = busy; // busy(on)
    this.report = report; // report({segmenter, ms, candidates})
    this.newest = 0;
    this.flying = 0;
    this.want = null;
    this.settled = Promise.resolve();
    this.settle = null;
    this.eager = 0; // seq of the prompt whose next candidate was called for before the segmenter answered
  }

  // A click on named regions takes the first of them at once; what the segmenter sees follows as further candidates.
  takeRegions(point, regions) {
    const S = this.editor.S, seq = nextSeq(), candidates = regions.map(({ name, runs }) => ({ name, rle: runs }));
    const started = performance.now(), base = this.editor.grid.runs();
    this.show(null, { points: [point], box: null, base, mode: S.mode, candidates, index: 0, seq, waiting: true });
    S.painted = { started, answered: started };
    this.report({});
    this.askBeyondRegions(seq, [point]);
  }

  async askBeyondRegions(seq, points) {
    const reply = await this.ask("segment", this.message(seq, points, null, null));
    const { S, history, grid } = this.editor;
    if (!grid || !history) return; // the photo was closed
    const fitting = this.fitting(reply), widened = new Map();
    const widen = (p) => {
      if (!p || p.seq !== seq) return p;
      if (!widened.has(p)) widened.set(p, { ...p, candidates: [...p.candidates, ...unlike(p.candidates, fitting)], waiting: false });
      return widened.get(p);
    };
    // Undo and redo lead back to this prompt: they shall know its new candidates too.
    for (const entry of [...history.past, ...history.future]) { entry.before = widen(entry.before); entry.after = widen(entry.after); }
    S.prompt = widen(S.prompt);
    if (!S.prompt || S.prompt.seq !== seq) return;
    const many = S.prompt.candidates.length;
    if (this.eager === seq && S.prompt.index + 1 < many) this.redo({ index: S.prompt.index + 1 });
    this.report(reply.ok ? { segmenter: reply.segmenter, ms: reply.ms } : {});
  }

  // Ask for these points and box on top of the running prompt.
  request(points, box) {
    const S = this.editor.S, seq = nextSeq();
    this.newest = seq;
    S.pending = { points, box };
    const want = { seq, points, box, base: S.prompt && S.prompt.base, started: performance.now() };
    this.want = want;
    if (!this.settle) this.settled = new Promise((done) => { this.settle = done; });
    this.busy(true);
    this.editor.marks();
    this.pump();
    if (!want.base) want.base = this.editor.grid.runs(); // while the request is under way
  }

  // Nothing under way counts any more (Esc, another tool, another photo).
  drop() {
    this.newest = nextSeq();
    this.want = null;
    this.editor.S.pending = null;
    this.done();
  }

  done() {
    this.busy(false);
    if (this.settle) this.settle();
    this.settle = null;
  }

  pump() {
    while (this.want && this.flying < FLIGHTS) {
      const want = this.want;
      this.want = null;
      this.flying++;
      this.send(want).finally(() => { this.flying--; this.pump(); });
    }
  }

  async send(want) {
    const S = this.editor.S, prompt = S.prompt;
    const refined = prompt ? prompt.candidates[prompt.index].rle : null;
    const reply = await this.ask("segment", this.message(want.seq, want.points, want.box, refined));
    if (want.seq !== this.newest) return;
    S.pending = null;
    this.answer(want, reply);
    this.done();
  }

  message(seq, points, box, rle) {
    const { sid, image_id } = this.editor.S.value;
    return { v: 1, sid, image_id, seq, box: box ? boxList(box) : null, points: points.map(({ x, y, label }) => ({ x, y, label })), rle };
  }

  // The candidates of an answer; none where it is an error or of another photo's size.
  fitting(reply) {
    const { w, h } = this.editor.grid, candidates = reply.ok ? reply.candidates || [] : [];
    return candidates.every((c) => Array.isArray(c.rle) && runsSum(c.rle) === w * h) ? candidates : [];
  }

  answer(want, reply) {
    const editor = this.editor, S = editor.S, candidates = this.fitting(reply);
    if (!candidates.length) {
      editor.note(reply.ok ? "The segmenter found nothing there. Try another spot or drag a box." : reply.error, !reply.ok);
      editor.marks();
      return;
    }
    const prompt = { points: want.points, box: want.box, base: want.base, mode: S.mode, candidates, index: 0 };
    this.show(S.prompt, prompt);
    S.painted = { started: want.started, answered: performance.now() };
    this.report({ segmenter: reply.segmenter, ms: reply.ms });
  }

  // Bring the mask from prompt `before` (or null) to `after`, as one step of undo.
  show(before, after) {
    const shape = after.candidates[after.index].rle;
    this.editor.S.prompt = after;
    this.editor.apply(combineRuns(after.base, shape, after.mode), before, after);
  }

  // The same clicks with another candidate or mode, in place of the last step.
  redo(change) {
    const editor = this.editor, prompt = editor.S.prompt, history = editor.history;
    const last = history.past[history.past.length - 1];
    if (!prompt) return;
    const next = { ...prompt, ...change };
    if (last && last.after === prompt) {
      editor.repaint(history.drop());
      this.show(last.before, next);
    } else this.show(prompt, next);
    this.report({});
  }

  cycle() {
    const prompt = this.editor.S.prompt;
    if (!prompt) return;
    if (prompt.waiting && prompt.index === prompt.candidates.length - 1) this.eager = prompt.seq;
    else if (prompt.candidates.length > 1) this.redo({ index: (prompt.index + 1) % prompt.candidates.length });
  }

  // Keep the mask, forget the clicks.
  accept() {
    if (this.editor.S.pending) this.drop();
    this.editor.S.prompt = null;
    this.report({});
    this.editor.marks();
  }

  // Take the mask back to what it was before the clicks.
  cancel() {
    const editor = this.editor, prompt = editor.S.prompt;
    this.drop();
    if (prompt) {
      editor.S.prompt = null;
      editor.apply(prompt.base, prompt, null);
    }
    this.report({});
    editor.marks();
  }
}

// Those of `found` that show something else than the candidates there are.
function unlike(candidates, found) {
  return found.filter((c) => candidates.every(({ rle }) => runsIou(rle, c.rle) < SAME));
}

function boxList(box) { return [box.x0, box.y0, box.x1, box.y1]; }
