// One step of undo that is still being shaped: each show() takes the place of the one before.

import { combineRuns } from "./runs.js";

export class LiveStep {
  // base: run lengths of the mask that the shape joins; by default the mask as it is.
  constructor(editor, base) {
    this.editor = editor;
    this.history = editor.history;
    this.base = base || editor.grid.runs();
    this.prompt = editor.S.prompt;
    editor.S.prompt = null;
    this.under = this.newest();
    this.entry = null;
  }

  newest() {
    const { past } = this.editor.history;
    return past[past.length - 1] || null;
  }

  // False once something else was done to the mask, or the step was undone.
  get alive() { return this.editor.history === this.history && this.newest() === (this.entry || this.under); }

  show(runs, how) {
    const { editor } = this;
    if (this.entry) editor.repaint(editor.history.drop());
    editor.apply(combineRuns(this.base, runs, how), this.prompt, null);
    this.entry = this.newest() === this.under ? null : this.newest();
  }

  // Take the step back, as if it had never been.
  withdraw() {
    const { editor } = this;
    if (this.entry && this.alive) {
      editor.repaint(editor.history.drop());
      editor.touched();
    }
    editor.S.prompt = this.prompt;
    this.entry = null;
    editor.marks();
  }
}
