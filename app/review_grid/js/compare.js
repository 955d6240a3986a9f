// Photo and sample in one frame: slider or side by side, zoomed and moved together.

import { flawsPath, placed, zoomedAt, zoomedTo } from "./framing.js";

export class Compare {
  constructor(root) {
    const find = (name) => root.querySelector(".fsb-" + name);
    this.root = root;
    this.stage = find("stage");
    this.panes = [find("before"), find("after")];
    this.images = this.panes.map((pane) => pane.querySelector("img"));
    this.svg = this.panes[1].querySelector("svg");
    this.handle = find("handle");
    this.sample = null;
    this.mode = "slider";
    this.zoomed = false;
    this.wanted = this.split = 0.5;
    this.scale = 1; // relative to the whole image in its pane
    this.middle = [0.5, 0.5]; // the image point in the middle of a pane, as shares
    this.bind();
  }

  show(sample) {
    const same = this.sample && sample && this.sample.id === sample.id;
    this.sample = sample;
    if (!sample || same) return;
    this.images[0].src = sample.source;
    this.images[1].src = sample.image;
    this.images[0].alt = "Photo " + sample.photo;
    this.images[1].alt = "Sample, " + sample.label;
    this.svg.setAttribute("viewBox", "0 0 " + sample.width + " " + sample.height);
    for (const path of this.svg.children) path.setAttribute("d", path.classList.contains("fsb-flaw") ? flawsPath(sample) : sample.outline.path);
    // The anomaly is what counts: it begins on the sample's side of the slider.
    this.split = Math.max(0, Math.min(this.wanted, sample.outline.box[0] / sample.width - 0.04));
    this.frame();
  }

  // The photo without the anomaly, for as long as a key is held.
  blink(on) {
    if (!this.sample) return;
    this.root.classList.toggle("fsb-original", on);
    const src = on ? this.sample.source : this.sample.image;
    if (this.images[1].getAttribute("src") !== src) this.images[1].src = src;
  }

  setMode(mode) {
    this.mode = mode;
    this.stage.dataset.view = mode;
    this.layout();
  }

  setZoom(zoomed) {
    this.zoomed = zoomed;
    this.frame();
  }

  // The whole image, or the anomaly with room around it.
  frame() {
    // While several are lined up the stage has no size: framed once it is back in sight.
    this.late = !this.stage.clientHeight;
    const box = this.zoomed && this.sample && !this.late ? this.sample.outline.box : null;
    Object.assign(this, box ? zoomedTo(box, this.sample, this.size()) : { scale: 1, middle: [0.5, 0.5] });
    this.layout();
  }

  size() {
    const { clientWidth: w, clientHeight: h } = this.stage;
    return [this.mode === "side" ? (w - 6) / 2 : w, h];
  }

  layout() {
    if (!this.sample) return;
    const { corner, pixel, middle } = placed(this.sample, this.size(), this.scale, this.middle), { width, height } = this.sample;
    this.middle = middle;
    for (const pane of this.panes) {
      Object.assign(pane.querySelector(".fsb-layer").style, {
        left: corner[0] + "px", top: corner[1] + "px", width: width * pixel + "px", height: height * pixel + "px",
        imageRendering: pixel > 3 ? "pixelated" : "auto",
      });
    }
    this.span = [corner[0], corner[0] + width * pixel];
    this.paintSplit();
  }

  paintSplit() {
    // A share of the picture; zoomed in, it stays in sight.
    const [from, to] = this.span || [0, 1], x = Math.min(this.size()[0], Math.max(0, from + this.split * (to - from)));
    this.handle.style.left = x + "px";
    this.panes[1].style.clipPath = this.mode === "slider" ? "inset(0 0 0 " + x + "px)" : "";
  }

  zoomAt(x, y, factor) {
    Object.assign(this, zoomedAt(this.sample, this.size(), this.scale, this.middle, [x, y], factor));
    this.layout();
  }

  bind() {
    const { stage } = this;
    let drag = null;
    stage.addEventListener("pointerdown", (event) => {
      if (event.button || !this.sample) return;
      const [x] = this.local(event), onHandle = this.mode === "slider" && Math.abs(x - parseFloat(this.handle.style.left)) < 16;
      drag = { slide: onHandle || (this.mode === "slider" && this.scale === 1), x: event.clientX, y: event.clientY };
      stage.setPointerCapture(event.pointerId);
      if (drag.slide) this.slideTo(event);
    });
    stage.addEventListener("pointermove", (event) => {
      if (!drag) return;
      if (drag.slide) { this.slideTo(event); return; }
      this.pan(event.clientX - drag.x, event.clientY - drag.y);
      Object.assign(drag, { x: event.clientX, y: event.clientY });
    });
    for (const type of ["pointerup", "pointercancel"]) stage.addEventListener(type, () => { drag = null; });
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("dblclick", () => { this.scale = 1; this.layout(); });
    new ResizeObserver(() => { if (this.late) this.frame(); else this.layout(); }).observe(stage);
  }

  wheel(event) {
    if (!this.sample) return;
    event.preventDefault();
    const [x, y] = this.local(event), [w] = this.size();
    this.zoomAt(this.mode === "side" && x > w ? x - w - 6 : x, y, Math.exp(-event.deltaY * 0.0015));
  }

  pan(dx, dy) {
    const { width, height } = this.sample, { pixel } = placed(this.sample, this.size(), this.scale, this.middle);
    this.middle = [this.middle[0] - dx / (width * pixel), this.middle[1] - dy / (height * pixel)];
    this.layout();
  }

  local(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  slideTo(event) {
    const [from, to] = this.span;
    this.wanted = this.split = Math.min(1, Math.max(0, (this.local(event)[0] - from) / Math.max(1, to - from)));
    this.paintSplit();
  }
}
