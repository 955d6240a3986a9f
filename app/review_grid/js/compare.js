// Photo and sample in one frame: slider or side by side, zoomed and moved together.
// In scope from Gradio: element, trigger, props, server, watch.

const root = element.querySelector(".fsb");
const find = (name) => root.querySelector(".fsb-" + name);

class Compare {
  constructor() {
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
    for (const path of this.svg.children) path.setAttribute("d", sample.outline.path);
    // The anomaly is what counts: it begins on the sample's side of the slider.
    this.split = Math.max(0, Math.min(this.wanted, sample.outline.box[0] / sample.width - 0.04));
    this.frame();
  }

  // The photo without the anomaly, for as long as a key is held.
  blink(on) {
    if (!this.sample) return;
    root.classList.toggle("fsb-original", on);
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
    this.scale = 1;
    this.middle = [0.5, 0.5];
    if (this.zoomed && this.sample) {
      const { width, height, outline } = this.sample, [x0, y0, x1, y1] = outline.box, [w, h] = this.size();
      const fit = Math.min(w / width, h / height), room = 2.2;
      const wanted = Math.min(w / (room * (x1 - x0)), h / (room * (y1 - y0)), 8);
      this.scale = Math.max(1, wanted / fit);
      this.middle = [(x0 + x1) / 2 / width, (y0 + y1) / 2 / height];
    }
    this.layout();
  }

  size() {
    const { clientWidth: w, clientHeight: h } = this.stage;
    return [this.mode === "side" ? (w - 6) / 2 : w, h];
  }

  layout() {
    if (!this.sample) return;
    const [w, h] = this.size(), { width, height } = this.sample;
    const s = Math.min(w / width, h / height) * this.scale;
    const place = [0, 1].map((axis) => {
      const room = axis ? h : w, length = (axis ? height : width) * s;
      if (length <= room) { this.middle[axis] = 0.5; return (room - length) / 2; }
      const half = room / 2 / length;
      this.middle[axis] = Math.min(1 - half, Math.max(half, this.middle[axis]));
      return room / 2 - this.middle[axis] * length;
    });
    for (const pane of this.panes) {
      const style = pane.querySelector(".fsb-layer").style;
      style.left = place[0] + "px";
      style.top = place[1] + "px";
      style.width = width * s + "px";
      style.height = height * s + "px";
      style.imageRendering = s > 3 ? "pixelated" : "auto";
    }
    this.span = [place[0], place[0] + width * s];
    this.paintSplit();
  }

  paintSplit() {
    // A share of the picture; zoomed in, it stays in sight.
    const [from, to] = this.span || [0, 1], x = Math.min(this.size()[0], Math.max(0, from + this.split * (to - from)));
    this.handle.style.left = x + "px";
    this.panes[1].style.clipPath = this.mode === "slider" ? "inset(0 0 0 " + x + "px)" : "";
  }

  zoomAt(x, y, factor) {
    const [w, h] = this.size(), { width, height } = this.sample;
    const fit = Math.min(w / width, h / height), before = fit * this.scale;
    this.scale = Math.min(Math.max(this.scale * factor, 1), Math.max(1, 24 / fit));
    const after = fit * this.scale;
    const at = [this.middle[0] + (x - w / 2) / (width * before), this.middle[1] + (y - h / 2) / (height * before)];
    this.middle = [at[0] - (x - w / 2) / (width * after), at[1] - (y - h / 2) / (height * after)];
    this.layout();
  }

  bind() {
    let drag = null;
    this.stage.addEventListener("pointerdown", (event) => {
      if (event.button || !this.sample) return;
      const [x] = this.local(event), onHandle = this.mode === "slider" && Math.abs(x - parseFloat(this.handle.style.left)) < 16;
      drag = { slide: onHandle || (this.mode === "slider" && this.scale === 1), x: event.clientX, y: event.clientY };
      this.stage.setPointerCapture(event.pointerId);
      if (drag.slide) this.slideTo(event);
    });
    this.stage.addEventListener("pointermove", (event) => {
      if (!drag) return;
      if (drag.slide) { this.slideTo(event); return; }
      const [w, h] = this.size(), { width, height } = this.sample, s = Math.min(w / width, h / height) * this.scale;
      this.middle = [this.middle[0] - (event.clientX - drag.x) / (width * s), this.middle[1] - (event.clientY - drag.y) / (height * s)];
      drag.x = event.clientX;
      drag.y = event.clientY;
      this.layout();
    });
    const end = () => { drag = null; };
    this.stage.addEventListener("pointerup", end);
    this.stage.addEventListener("pointercancel", end);
    this.stage.addEventListener("wheel", (event) => {
      if (!this.sample) return;
      event.preventDefault();
      const [x, y] = this.local(event), [w] = this.size();
      this.zoomAt(this.mode === "side" && x > w ? x - w - 6 : x, y, Math.exp(-event.deltaY * 0.0015));
    }, { passive: false });
    this.stage.addEventListener("dblclick", () => { this.scale = 1; this.layout(); });
    new ResizeObserver(() => this.layout()).observe(this.stage);
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
