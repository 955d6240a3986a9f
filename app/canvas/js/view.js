// Where the photo is on the screen, and drawing it. Three layers at the screen's resolution lie over each
// other (photo, over, top); nothing is ever drawn at the photo's size.

export const MAX_SCALE = 48;

export class View {
  constructor(stage, layers) {
    this.stage = stage;
    this.layers = layers; // {photo, over, top}: canvas elements
    this.photoContext = layers.photo.getContext("2d", { alpha: true });
    this.scale = 1; // device pixels a photo pixel
    this.tx = 0; // device pixel of the photo's left edge
    this.ty = 0;
    this.ratio = 1; // device pixels a CSS pixel
    this.w = 0; // photo
    this.h = 0;
    this.width = 0; // layers, in device pixels
    this.height = 0;
    this.fitted = true;
    this.source = [];
  }

  setPhoto(image, w, h) {
    this.w = w;
    this.h = h;
    // Halvings of the photo: drawn from the nearest one, zoomed-out photos are smooth and cheap.
    this.source = image ? [image] : [];
    for (let lw = w, lh = h; image && Math.max(lw, lh) > 1024;) {
      lw = (lw + 1) >> 1;
      lh = (lh + 1) >> 1;
      const half = document.createElement("canvas");
      half.width = lw;
      half.height = lh;
      const g = half.getContext("2d", { alpha: false });
      g.drawImage(this.source[this.source.length - 1], 0, 0, lw, lh);
      this.source.push(half);
    }
  }

  // Follow the stage's size. Returns whether it changed.
  resize() {
    const box = this.stage.getBoundingClientRect();
    const cw = this.stage.clientWidth, ch = this.stage.clientHeight, dpr = window.devicePixelRatio || 1;
    const width = Math.round(cw * dpr), height = Math.round(ch * dpr);
    if (!box.width || !width || !height) return false;
    if (width === this.width && height === this.height) return false;
    const cx = this.width ? (this.width / 2 - this.tx) / this.scale : 0;
    const cy = this.height ? (this.height / 2 - this.ty) / this.scale : 0;
    this.width = width;
    this.height = height;
    this.ratio = width / cw;
    for (const c of Object.values(this.layers)) { c.width = width; c.height = height; }
    if (this.fitted) this.fit();
    else { this.tx = width / 2 - cx * this.scale; this.ty = height / 2 - cy * this.scale; this.clamp(); }
    return true;
  }

  fitScale() {
    const room = 14 * this.ratio;
    return this.w ? Math.min((this.width - 2 * room) / this.w, (this.height - 2 * room) / this.h) : 1;
  }

  fit() {
    this.scale = Math.max(0.001, Math.min(MAX_SCALE, this.fitScale()));
    this.tx = Math.round((this.width - this.w * this.scale) / 2);
    this.ty = Math.round((this.height - this.h * this.scale) / 2);
    this.fitted = true;
  }

  // Zoom so that the point at (px, py), in device pixels of the stage, stays where it is.
  zoomTo(scale, px, py) {
    const least = Math.min(1, this.fitScale()) * 0.5;
    const to = Math.max(least, Math.min(MAX_SCALE, scale));
    this.tx = px - ((px - this.tx) / this.scale) * to;
    this.ty = py - ((py - this.ty) / this.scale) * to;
    this.scale = to;
    this.fitted = false;
    this.clamp();
  }

  pan(dx, dy) {
    this.tx += dx;
    this.ty += dy;
    this.fitted = false;
    this.clamp();
  }

  // Pan so that the photo point p is in sight, if it is not. Returns whether it moved.
  bring(p) {
    const edge = 24 * this.ratio, x = p.x * this.scale + this.tx, y = p.y * this.scale + this.ty;
    const dx = Math.max(0, edge - x) - Math.max(0, x - this.width + edge), dy = Math.max(0, edge - y) - Math.max(0, y - this.height + edge);
    if (!dx && !dy) return false;
    this.pan(dx, dy);
    return true;
  }

  clamp() {
    // A corner of the photo always stays in sight.
    const keep = 48 * this.ratio;
    this.tx = Math.min(this.width - keep, Math.max(keep - this.w * this.scale, this.tx));
    this.ty = Math.min(this.height - keep, Math.max(keep - this.h * this.scale, this.ty));
  }

  // Client (CSS, page viewport) to device pixels of the stage, to photo pixels, and back.
  toDevice(clientX, clientY) {
    const box = this.layers.top.getBoundingClientRect();
    return { x: (clientX - box.left) * this.ratio, y: (clientY - box.top) * this.ratio };
  }

  toImage(clientX, clientY) {
    const d = this.toDevice(clientX, clientY);
    return { x: (d.x - this.tx) / this.scale, y: (d.y - this.ty) / this.scale };
  }

  toClient(x, y) {
    const box = this.layers.top.getBoundingClientRect();
    return [box.left + (x * this.scale + this.tx) / this.ratio, box.top + (y * this.scale + this.ty) / this.ratio];
  }

  // Image rectangle to whole device pixels on the stage, `margin` wider, or null when out of sight.
  toScreen(r, margin) {
    const s = {
      x0: Math.max(0, Math.floor(r.x0 * this.scale + this.tx) - margin),
      y0: Math.max(0, Math.floor(r.y0 * this.scale + this.ty) - margin),
      x1: Math.min(this.width, Math.ceil(r.x1 * this.scale + this.tx) + margin),
      y1: Math.min(this.height, Math.ceil(r.y1 * this.scale + this.ty) + margin),
    };
    return s.x1 > s.x0 && s.y1 > s.y0 ? s : null;
  }

  paintPhoto() {
    const g = this.photoContext;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, this.width, this.height);
    if (!this.source.length) return;
    const k = Math.min(this.source.length - 1, Math.max(0, Math.floor(Math.log2(1 / this.scale))));
    g.imageSmoothingEnabled = this.scale < 2;
    g.setTransform(this.scale, 0, 0, this.scale, this.tx, this.ty);
    g.drawImage(this.source[k], 0, 0, this.w, this.h);
  }
}
