// Named regions that no edit changes the mask of, by name: on every photo of the project. The browser remembers them.

import { combineRuns } from "./runs.js";

export class Locks {
  constructor() {
    this.key = "";
    this.names = new Set();
  }

  // The locks of another project.
  open(project) {
    const key = "flawsmith.locks." + (project || "");
    if (key === this.key) return;
    this.key = key;
    let kept = [];
    try { kept = JSON.parse(localStorage.getItem(key)) || []; } catch { /* not ours: nothing is locked */ }
    this.names = new Set(Array.isArray(kept) ? kept : []);
  }

  // Returns whether the region is locked now.
  toggle(name) {
    if (!this.names.delete(name)) this.names.add(name);
    localStorage.setItem(this.key, JSON.stringify([...this.names]));
    return this.names.has(name);
  }

  // The pixels of all locked regions of a photo as run lengths, or null.
  runs(regions) {
    return regions.filter(({ name }) => this.names.has(name)).reduce((all, { runs }) => (all ? combineRuns(all, runs, "add") : runs), null);
  }
}
