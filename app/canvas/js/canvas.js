// The canvas: its elements, its state, and who talks to whom.

import { Controls } from "./controls.js";
import { Crosshair } from "./crosshair.js";
import { Dropper } from "./drop.js";
import { Editor } from "./editor.js";
import { Hover } from "./hover.js";
import { Locks } from "./locks.js";
import { Look } from "./look.js";
import { Marks } from "./marks.js";
import { Mover } from "./move.js";
import { Overlay } from "./overlay.js";
import { Prompter } from "./prompt.js";
import { asking, nextSeq } from "./server.js";
import { Status } from "./status.js";
import { Sync } from "./sync.js";
import { Tools } from "./tools.js";
import { PhotoLoader } from "./photo_loader.js";
import { View } from "./view.js";

function freshState() {
  return {
    tool: "click", mode: "add", size: 24, sized: false, ready: false, readonly: false, value: null, image: null,
    pointer: null, prompt: null, pending: null, polygon: [], lasso: [], closed: null, rubber: null, ghost: null, regions: [],
    preview: null, drop: null, seen: null, crosshair: null, hovers: [], space: false, panning: false, erasing: false, painted: null, timings: [], acks: 0, segmenter: "",
  };
}

export class Canvas {
  // element, trigger, server: as Gradio gives them to js_on_load.
  constructor({ element, trigger, server }) {
    this.root = element.querySelector(".fsc");
    this.stage = this.find("stage");
    this.trigger = trigger;
    this.S = freshState();
    this.status = new Status(this);
    this.makeLayers();
    this.makeEditing(asking(server));
    this.locks = new Locks();
    this.look = new Look(this.root, this.overlay, () => this.editor.everything());
    this.controls = new Controls(this);
    this.loader = new PhotoLoader(this);
  }

  find(name) { return this.root.querySelector(".fsc-" + name); }

  makeLayers() {
    const layers = { photo: this.find("photo"), over: this.find("over"), top: this.find("top") };
    const context = (layer) => layer.getContext("2d", { willReadFrequently: true });
    this.view = new View(this.stage, layers);
    this.overlay = new Overlay(this.view, context(layers.over));
    this.marks = new Marks(this.view, context(layers.top));
  }

  makeEditing(ask) {
    const { S, view, overlay, marks, status } = this;
    const counted = () => status.showArea(), picked = (region) => this.tellOf(region, "region_picked", {});
    this.editor = new Editor(S, {
      view, overlay, counted, note: (text, bad) => status.note(text, bad), changed: () => this.sync.changed(),
      paintMarks: () => marks.paint(S, {
        names: overlay.showRegions && !["brush", "erase", "context"].includes(S.tool), posed: this.tools.transformer.shown, seen: S.tool === "context" ? this.tools.context.rect : null,
      }),
    });
    this.sync = new Sync(ask, () => this.message(), (state, reason) => status.showSaved(state, reason), (reply) => {
      S.acks++;
      this.trigger("mask_saved", { image_id: S.value.image_id, area: reply.area, seq: reply.seq });
    });
    this.prompter = new Prompter(ask, this.editor, (on) => status.showBusy(on), (report) => status.showSegmenter(report));
    this.dropper = new Dropper(ask, this.editor, (on) => status.showBusy(on));
    this.mover = new Mover(this.editor, view, ({ region, dx, dy, angle, scale }) => {
      this.tellOf(region, "region_moved", { dx, dy, angle, scale });
    }, picked);
    this.tools = new Tools(this.editor, view, this.prompter, this.mover, {
      drop: (p, take) => this.dropper.press(p, take),
      counted, picked, pointer: (p) => status.showPointer(p), cursor: (c) => { this.stage.style.cursor = c; },
      viewed: () => this.viewed(), hovered: () => this.hover.look(),
      ask: () => this.trigger("context_wanted", {}), changed: (data) => this.trigger("context_changed", data), say: (text) => status.say(text),
    });
    this.crosshair = new Crosshair(this.editor, view, this.tools, (text) => status.say(text));
    this.hover = new Hover(ask, this.editor, {
      wanted: (p) => this.tools.wouldAsk(p), regionAt: (p) => this.tools.regionsAt(p)[0] || null,
      shown: (ms) => { S.hovers.push(ms); if (S.hovers.length > 500) S.hovers.shift(); },
    });
  }

  // The photo lies elsewhere on the screen.
  viewed() {
    this.find("zoom").textContent = Math.round(this.view.scale * 100) + " %";
    this.editor.everything();
  }

  // The locked regions of the photo as they are now.
  lock() {
    const { S, locks, editor } = this;
    for (const region of S.regions) region.locked = locks.names.has(region.name);
    if (editor.grid) editor.grid.lock(locks.runs(S.regions));
    editor.marks();
  }

  // Lock the region under the pointer or the crosshair, or unlock it.
  toggleLock() {
    const { S, locks, tools, status } = this, at = S.crosshair || S.pointer, region = S.ready && at ? tools.regionAt(at) : null;
    if (!region) { status.note("Point at a named region to lock it against painting.", false); return; }
    const on = locks.toggle(region.name);
    this.lock();
    status.note(region.name + (on ? " is locked: painting leaves it as it is." : " is no longer locked."), false);
  }

  message() {
    const { editor, S } = this;
    if (!editor.grid || !S.value) return null;
    const { sid, image_id, width, height } = S.value;
    return { v: 1, sid, image_id, seq: nextSeq(), size: [width, height], rle: editor.grid.runs() };
  }

  // Every click answered and the newest mask on the server.
  async flush() {
    await Promise.all([this.prompter.settled, this.dropper.settled]);
    await this.tools.context.settled;
    await this.sync.flush();
  }

  // Tell Python, once the server has the mask.
  async tell(event, data) {
    try {
      await this.flush();
      this.trigger(event, data);
    } catch (error) {
      this.status.note(error.message, true);
    }
  }

  tellOf(region, event, data) { this.tell(event, { image_id: this.S.value.image_id, name: region.name, ...data }); }
}
