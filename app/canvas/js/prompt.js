// Clicks and boxes to a mask: asks the segmenter, newest wins, and keeps what Esc and undo need.
// A prompt is never changed, only replaced: {points, box, base, mode, candidates, index}; base is the mask before it.

import { combineRuns, runsSum } from "./runs.js";
import { nextSeq } from "./server.js";

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
    const reply = await this.ask("segment", {
      v: 1, sid: S.value.sid, image_id: S.value.image_id, seq: want.seq, box: want.box ? boxList(want.box) : null,
      points: want.points.map((p) => ({ x: p.x, y: p.y, label: p.label })),
      rle: prompt ? prompt.candidates[prompt.index].rle : null,
    });
    if (want.seq !== this.newest) return;
    S.pending = null;
    this.answer(want, reply);
    this.done();
  }

  answer(want, reply) {
    const editor = this.editor, S = editor.S, size = editor.grid.w * editor.grid.h;
    const candidates = reply.ok ? reply.candidates || [] : [];
    const fits = candidates.every((c) => Array.isArray(c.rle) && runsSum(c.rle) === size);
    if (!reply.ok || !candidates.length || !fits) {
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
      const back = history.undo();
      history.future.pop();
      editor.repaint(back.dirty);
      this.show(last.before, next);
    } else this.show(prompt, next);
    this.report({});
  }

  cycle() {
    const prompt = this.editor.S.prompt;
    if (prompt && prompt.candidates.length > 1) this.redo({ index: (prompt.index + 1) % prompt.candidates.length });
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

function boxList(box) { return [box.x0, box.y0, box.x1, box.y1]; }
