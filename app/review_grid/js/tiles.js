// The thumbnails: which samples are on the page, which are chosen, what was said of them.

const MARKS = { kept: "✓", rejected: "✕", new: "" };

class Tiles {
  constructor(chosen) {
    this.grid = find("grid");
    this.rows = [];
    this.at = -1;
    this.marked = new Set();
    this.chosen = chosen;
    this.grid.addEventListener("mousedown", (event) => { if (event.shiftKey) event.preventDefault(); });
    this.grid.addEventListener("click", (event) => {
      const tile = event.target.closest(".fsb-tile");
      if (!tile) return;
      const place = this.rows.findIndex((r) => r.id === tile.dataset.id);
      if (event.shiftKey) this.reach(place);
      else if (event.ctrlKey || event.metaKey) this.toggle(place);
      else this.go(place);
    });
  }

  fill(rows, groups, best) {
    this.rows = rows;
    this.byId = new Map(rows.map((r) => [r.id, r]));
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
    this.at = -1;
    this.marked.clear();
  }

  heading(group, groups, best) {
    const line = document.createElement("div"), text = document.createElement("span");
    line.className = "fsb-group";
    line.append(text);
    if (group === null) { text.textContent = "No look-alikes"; return line; }
    const ids = groups[group];
    text.textContent = ids.length + " look alike";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "fsb-button fsb-best";
    button.textContent = "Keep the best, reject " + (ids.length - 1);
    button.addEventListener("click", () => best(ids));
    line.append(button);
    return line;
  }

  tile(row) {
    const tile = document.createElement("div"), image = document.createElement("img");
    tile.className = "fsb-tile";
    tile.dataset.id = row.id;
    tile.id = "fsb-" + row.id;
    tile.setAttribute("role", "option");
    image.src = row.thumb;
    image.alt = row.label + " on " + row.photo;
    image.draggable = false;
    const frame = document.createElement("span");
    frame.className = "fsb-frame";
    frame.style.aspectRatio = row.width + " / " + row.height;
    frame.style[row.width >= row.height ? "width" : "height"] = "100%";
    const ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg"), path = document.createElementNS(ns, "path");
    svg.setAttribute("viewBox", "0 0 " + row.width + " " + row.height);
    svg.setAttribute("preserveAspectRatio", "none");
    path.setAttribute("class", "fsb-line");
    path.setAttribute("d", row.outline.path);
    svg.append(path);
    frame.append(image, svg);
    const label = document.createElement("span"), mark = document.createElement("b");
    label.className = "fsb-label";
    label.textContent = row.label;
    mark.className = "fsb-mark";
    tile.append(frame, label, mark);
    this.tiles.set(row.id, tile);
    this.stamp(tile, row);
    return tile;
  }

  stamp(tile, row) {
    tile.dataset.verdict = row.verdict;
    tile.querySelector(".fsb-mark").textContent = MARKS[row.verdict];
    tile.title = row.label + ", " + row.engine + ", " + [row.verdict, row.by].filter(Boolean).join(" ") + (row.reason ? ": " + row.reason : "");
  }

  say(ids, verdict, reason = "") {
    for (const id of ids) {
      const row = this.byId.get(id);
      if (!row) continue;
      row.verdict = verdict;
      row.reason = reason;
      row.by = ""; // the next page that is asked for says who
      this.stamp(this.tiles.get(id), row);
    }
  }

  get current() { return this.rows[this.at] || null; }

  get judged() {
    const marked = this.rows.filter((r) => this.marked.has(r.id)).map((r) => r.id);
    return marked.length ? marked : this.current ? [this.current.id] : [];
  }

  go(place) {
    this.marked.clear();
    this.move(place);
    if (this.current) this.marked.add(this.current.id);
    this.paint();
  }

  reach(place) {
    const anchor = this.anchor ?? this.at, [a, b] = [Math.min(anchor, place), Math.max(anchor, place)];
    this.marked = new Set(this.rows.slice(a, b + 1).map((r) => r.id));
    this.move(place, anchor);
    this.paint();
  }

  toggle(place) {
    const { id } = this.rows[place];
    if (this.marked.has(id) && this.marked.size > 1) this.marked.delete(id);
    else this.marked.add(id);
    this.move(place);
    this.paint();
  }

  all() {
    this.marked = new Set(this.rows.map((r) => r.id));
    this.paint();
  }

  move(place, anchor) {
    this.at = Math.max(0, Math.min(place, this.rows.length - 1));
    this.anchor = anchor ?? this.at;
    const tile = this.current && this.tiles.get(this.current.id);
    if (!tile) return;
    const box = tile.getBoundingClientRect(), frame = this.grid.getBoundingClientRect();
    if (box.top < frame.top) this.grid.scrollTop -= frame.top - box.top + 8;
    else if (box.bottom > frame.bottom) this.grid.scrollTop += box.bottom - frame.bottom + 8;
  }

  paint() {
    for (const [id, tile] of this.tiles) {
      tile.setAttribute("aria-selected", this.marked.has(id) ? "true" : "false");
      tile.classList.toggle("fsb-current", this.current !== null && id === this.current.id);
    }
    if (this.current) this.grid.setAttribute("aria-activedescendant", "fsb-" + this.current.id);
    this.chosen();
  }

  // How many tiles make a row on the screen: for the arrows up and down.
  get columns() { return getComputedStyle(this.grid).gridTemplateColumns.split(" ").length; }
}
