// Which of a page's samples are chosen: one is current, several may be marked.

export class Selection {
  constructor() { this.reset([]); }

  reset(rows) {
    this.rows = rows; // samples, in the order of the page
    this.at = -1; // place of the current one
    this.anchor = -1; // where a range begins
    this.marked = new Set(); // ids
  }

  get current() { return this.rows[this.at] || null; }

  // Ids that a verdict is for.
  get judged() {
    const marked = this.rows.filter((row) => this.marked.has(row.id)).map((row) => row.id);
    return marked.length ? marked : this.current ? [this.current.id] : [];
  }

  place(id) { return this.rows.findIndex((row) => row.id === id); }

  move(place) { this.at = Math.max(0, Math.min(place, this.rows.length - 1)); }

  // This one alone.
  go(place) {
    this.move(place);
    this.anchor = this.at;
    this.marked = new Set(this.current ? [this.current.id] : []);
  }

  // All from where the range began to this one.
  reach(place) {
    const anchor = this.anchor < 0 ? this.at : this.anchor;
    this.move(place);
    this.anchor = anchor;
    const [from, to] = [Math.min(anchor, this.at), Math.max(anchor, this.at)];
    this.marked = new Set(this.rows.slice(from, to + 1).map((row) => row.id));
  }

  // This one more, or less; one stays marked.
  toggle(place) {
    const { id } = this.rows[place];
    if (this.marked.has(id) && this.marked.size > 1) this.marked.delete(id);
    else this.marked.add(id);
    this.move(place);
    this.anchor = this.at;
  }

  all() { this.marked = new Set(this.rows.map((row) => row.id)); }
}
