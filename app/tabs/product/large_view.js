// One photo over the whole window: arrows go on, Z comes close to the defect, M shows its outline, Esc closes.

const SVG = "http://www.w3.org/2000/svg";

// The viewBox [x, y, width, height] of a photo: whole, or `close` to the box [x0, y0, x1, y1] with air around it.
export function viewOf({ width, height, box }, close) {
  if (!close || !box) return [0, 0, width, height];
  const [x0, y0, x1, y1] = box, side = Math.max(2.2 * (x1 - x0), 2.2 * (y1 - y0), 64);
  const wide = Math.min(width, side), tall = Math.min(height, side);
  const left = Math.max(0, Math.min(width - wide, (x0 + x1 - wide) / 2)), top = Math.max(0, Math.min(height - tall, (y0 + y1 - tall) / 2));
  return [left, top, wide, tall];
}

export function itemOf({ dataset }) {
  return {
    url: dataset.large, name: dataset.name, outline: dataset.outline || "", width: Number(dataset.width), height: Number(dataset.height),
    box: dataset.box ? dataset.box.split(",").map(Number) : null,
  };
}

const PAGE = `<header><b></b><span></span><i></i>
  <button type="button" data-do="back" aria-label="The one before" title="The one before (←)">‹</button>
  <button type="button" data-do="forth" aria-label="The next one" title="The next one (→)">›</button>
  <button type="button" data-do="outline" aria-pressed="true">Outline <kbd>M</kbd></button>
  <button type="button" data-do="close-up" aria-pressed="false">Close-up <kbd>Z</kbd></button>
  <button type="button" data-do="leave">Close <kbd>Esc</kbd></button></header>`;
const KEYS = { ArrowLeft: "back", ArrowUp: "back", ArrowRight: "forth", ArrowDown: "forth", m: "outline", z: "close-up", Enter: "leave" };

export class LargeView {
  // moved(place): another one is shown.
  constructor(document, moved) {
    this.document = document;
    this.moved = moved;
    this.close = false;
    this.outlined = true;
  }

  get isOpen() { return Boolean(this.dialog && this.dialog.open); }

  build() {
    const { document } = this, dialog = document.createElement("dialog"), svg = document.createElementNS(SVG, "svg");
    dialog.className = "fs-large";
    dialog.setAttribute("aria-label", "Large view");
    dialog.innerHTML = PAGE;
    for (const name of ["image", "path"]) svg.append(document.createElementNS(SVG, name));
    dialog.append(svg);
    dialog.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.act(button.dataset.do);
    });
    dialog.addEventListener("keydown", (event) => {
      const name = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!name || event.ctrlKey || event.metaKey || (event.key === "Enter" && event.target.closest("button"))) return;
      event.preventDefault();
      event.stopPropagation();
      this.act(name);
    });
    dialog.addEventListener("close", () => { if (this.back) this.back.focus(); });
    document.body.append(dialog);
    this.dialog = dialog;
  }

  // tiles: elements with what itemOf reads; place: which of them.
  show(tiles, place) {
    if (!tiles.length) { if (this.isOpen) this.dialog.close(); return; }
    if (!this.dialog) this.build();
    this.tiles = tiles;
    this.place = Math.max(0, Math.min(place, tiles.length - 1));
    this.draw();
    if (!this.dialog.open) this.dialog.showModal();
  }

  act(name) {
    if (name === "leave") { this.back = this.tiles[this.place]; this.dialog.close(); return; }
    if (name === "outline") this.outlined = !this.outlined;
    if (name === "close-up") this.close = !this.close;
    if (name === "back" || name === "forth") {
      this.place = (this.place + (name === "forth" ? 1 : -1) + this.tiles.length) % this.tiles.length;
      this.moved(this.place);
    }
    this.draw();
  }

  draw() {
    const item = itemOf(this.tiles[this.place]), find = (what) => this.dialog.querySelector(what);
    this.back = this.tiles[this.place];
    find("header b").textContent = item.name;
    find("header span").textContent = item.width + " × " + item.height + " px";
    find("header i").textContent = this.place + 1 + " of " + this.tiles.length;
    find("svg").setAttribute("viewBox", viewOf(item, this.close).join(" "));
    const image = find("image");
    for (const [key, value] of Object.entries({ href: item.url, width: item.width, height: item.height })) image.setAttribute(key, value);
    find("path").setAttribute("d", this.outlined ? item.outline : "");
    for (const [name, on] of [["outline", this.outlined], ["close-up", this.close]]) {
      const button = find("[data-do='" + name + "']");
      button.setAttribute("aria-pressed", String(on));
      button.hidden = !item.box;
    }
  }
}
