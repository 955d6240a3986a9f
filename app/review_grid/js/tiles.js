// The thumbnails of a page: shown, chosen, and what was said of them.

import { Selection } from "./selection.js";

const MARKS = { kept: "✓", rejected: "✕", new: "" };
const SVG = "http://www.w3.org/2000/svg";

function made(tag, properties) { return Object.assign(document.createElement(tag), properties); }

// The anomaly's outline over its close-up, in the sample's pixels.
function outlined(row) {
  const svg = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
  const [x0, y0, x1, y1] = row.crop;
  svg.setAttribute("viewBox", [x0, y0, x1 - x0, y1 - y0].join(" "));
  svg.setAttribute("preserveAspectRatio", "none");
  path.setAttribute("class", "fsb-line");
  path.setAttribute("d", row.outline.path);
  svg.append(path);
  return svg;
}

export class Tiles {
  constructor(grid, chosen) {
    this.grid = grid;
    this.chosen = chosen; // chosen(): the selection is another
    this.selection = new Selection();
    this.tiles = new Map();
    grid.addEventListener("mousedown", (event) => { if (event.shiftKey) event.preventDefault(); });
    grid.addEventListener("click", (event) => {
      const tile = event.target.closest(".fsb-tile"), place = tile ? this.selection.place(tile.dataset.id) : -1;
      if (place < 0) return;
      if (event.shiftKey) this.reach(place);
      else if (event.ctrlKey || event.metaKey) this.toggle(place);
      else this.go(place);
    });
  }

  get rows() { return this.selection.rows; }

  fill(rows, groups, best) {
    this.selection.reset(rows);
    this.tiles = new Map();
    const parts = [];
    let group = null;
    for (const row of rows) {
      if (row.group !== group && (row.group !== undefined && row.group !== null || group !== null)) {
        group = row.group ?? null;
        parts.push(this.heading(group, groups, best));
      }
      parts.push(this.tile(row));
    }
    this.grid.replaceChildren(...parts);
    this.grid.scrollTop = 0;
  }

  heading(group, groups, best) {
    const line = made("div", { className: "fsb-group" }), ids = groups[group] || [];
    line.append(made("span", { textContent: group === null ? "No look-alikes" : ids.length + " look alike" }));
    if (group === null) return line;
    const words = "Keep the best, reject " + (ids.length - 1);
    const button = made("button", { type: "button", className: "fsb-button fsb-best", textContent: words });
    button.addEventListener("click", () => best(ids));
    line.append(button);
    return line;
  }

  tile(row) {
    const tile = made("div", { className: "fsb-tile", id: "fsb-" + row.id }), frame = made("span", { className: "fsb-frame" });
    tile.dataset.id = row.id;
    tile.setAttribute("role", "option");
    const [wide, tall] = [row.crop[2] - row.crop[0], row.crop[3] - row.crop[1]];
    frame.style.aspectRatio = wide + " / " + tall;
    frame.style[wide >= tall ? "width" : "height"] = "100%";
    frame.append(made("img", { src: row.thumb, alt: row.label + " on " + row.photo, draggable: false }), outlined(row));
    tile.append(frame, made("span", { className: "fsb-label", textContent: row.label }), made("b", { className: "fsb-mark" }), made("b", { className: "fsb-star", textContent: "★", title: "A favourite" }));
    this.tiles.set(row.id, tile);
    this.stamp(tile, row);
    return tile;
  }

  stamp(tile, row) {
    tile.dataset.verdict = row.verdict;
    tile.querySelector(".fsb-mark").textContent = MARKS[row.verdict];
    tile.querySelector(".fsb-label").textContent = row.label;
    tile.querySelector(".fsb-star").hidden = !row.favourite;
    tile.title = row.label + ", " + row.engine + ", " + [row.verdict, row.by].filter(Boolean).join(" ") + (row.reason ? ": " + row.reason : "") + (row.note ? ". " + row.note : "");
  }

  say(ids, verdict, reason = "") {
    for (const row of this.rows.filter(({ id }) => ids.includes(id))) {
      Object.assign(row, { verdict, reason });
      this.stamp(this.tiles.get(row.id), row);
    }
  }

  // What a person said: label, verdict, favourite, note.
  remark(ids, said) {
    for (const row of this.rows.filter(({ id }) => ids.includes(id))) {
      Object.assign(row, said);
      this.stamp(this.tiles.get(row.id), row);
    }
  }

  go(place) { this.selection.go(place); this.follow(); }
  reach(place) { this.selection.reach(place); this.follow(); }
  toggle(place) { this.selection.toggle(place); this.follow(); }
  all() { this.selection.all(); this.paint(); }

  // Scroll to the current tile.
  follow() {
    const { current } = this.selection, tile = current && this.tiles.get(current.id);
    if (tile) {
      const box = tile.getBoundingClientRect(), frame = this.grid.getBoundingClientRect();
      if (box.top < frame.top) this.grid.scrollTop -= frame.top - box.top + 8;
      else if (box.bottom > frame.bottom) this.grid.scrollTop += box.bottom - frame.bottom + 8;
    }
    this.paint();
  }

  paint() {
    const { current, marked } = this.selection;
    for (const [id, tile] of this.tiles) {
      tile.setAttribute("aria-selected", String(marked.has(id)));
      tile.classList.toggle("fsb-current", current !== null && id === current.id);
    }
    if (current) this.grid.setAttribute("aria-activedescendant", "fsb-" + current.id);
    this.chosen();
  }

  // How many tiles make a row on the screen: for the arrows up and down.
  get columns() { return getComputedStyle(this.grid).gridTemplateColumns.split(" ").length; }
}
