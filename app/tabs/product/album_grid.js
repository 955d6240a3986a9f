// The album: tiles chosen by mouse and keys, as in Review. "album_chosen" tells the {ids}, the current one first.

import { Selection } from "../../review_grid/js/selection.js";
import { LargeView } from "./large_view.js";

const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

// The place that a key leads to from `at` among `count` tiles, `columns` in a row; null for other keys.
export function placeOf(key, at, count, columns) {
  const step = STEPS[key] || { ArrowDown: columns, ArrowUp: -columns }[key];
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  return step ? Math.max(0, Math.min(count - 1, at + step)) : null;
}

class Album {
  constructor(element, trigger) {
    this.element = element;
    this.trigger = trigger;
    this.selection = new Selection();
    this.large = new LargeView(element.ownerDocument, (place) => this.choose("go", place));
    element.addEventListener("click", (event) => this.press(event));
    element.addEventListener("dblclick", (event) => { if (this.tileOf(event)) this.open(); });
    element.addEventListener("keydown", (event) => this.key(event));
  }

  get tiles() { return [...this.element.querySelectorAll("[data-id]")]; }

  tileOf(event) { return event.target.closest("[data-id]"); }

  // Another page, or this one after a change: what was chosen and is still there stays so.
  take() {
    const tiles = this.tiles, chosen = tiles.filter((tile) => tile.getAttribute("aria-selected") === "true");
    const before = this.selection.current;
    this.selection.reset(tiles.map((tile) => ({ id: tile.dataset.id })));
    const at = before ? this.selection.place(before.id) : -1;
    this.selection.move(at >= 0 ? at : Math.max(0, tiles.indexOf(chosen[0])));
    this.selection.marked = new Set(chosen.map((tile) => tile.dataset.id));
    this.paint();
    const document = this.element.ownerDocument, idle = !document.activeElement || document.activeElement === document.body;
    if (this.held && idle && tiles[this.selection.at]) tiles[this.selection.at].focus({ preventScroll: true });
    if (this.large.isOpen) this.large.show(tiles, this.selection.at);
  }

  press(event) {
    const tile = this.tileOf(event);
    if (!tile) return;
    const how = event.shiftKey ? "reach" : event.ctrlKey || event.metaKey ? "toggle" : "go";
    this.choose(how, this.selection.place(tile.dataset.id));
  }

  key(event) {
    if (!this.tileOf(event) || event.altKey) return;
    if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) this.choose("all");
    else if (event.key === "Enter") this.open();
    else if (event.key === " ") this.choose("toggle", this.selection.at);
    else if (event.key === "Delete") document.querySelector("#fs-remove").click();
    else {
      const { columns } = this, place = placeOf(event.key, this.selection.at, this.tiles.length, columns);
      if (place === null) return;
      this.choose(event.shiftKey ? "reach" : "go", place);
    }
    event.preventDefault();
    event.stopPropagation();
  }

  get columns() { return getComputedStyle(this.element.querySelector("[role=listbox]")).gridTemplateColumns.split(" ").length; }

  choose(how, place) {
    this.selection[how](place);
    this.held = true;
    this.paint();
    const tile = this.tiles[this.selection.at];
    if (tile && !this.large.isOpen) tile.focus();
    const { current, judged } = this.selection;
    const ids = current && judged.includes(current.id) ? [current.id, ...judged.filter((id) => id !== current.id)] : judged;
    this.trigger("album_chosen", { ids });
  }

  open() { this.large.show(this.tiles, this.selection.at); }

  paint() {
    this.tiles.forEach((tile, place) => {
      tile.setAttribute("aria-selected", String(this.selection.marked.has(tile.dataset.id)));
      tile.tabIndex = place === this.selection.at ? 0 : -1;
    });
  }
}

export function start({ element, trigger, watch }) {
  const album = new Album(element, trigger);
  watch("value", () => album.take());
  album.take();
}
