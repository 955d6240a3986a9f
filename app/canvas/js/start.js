// Begins: one canvas in one element of the page, and the hook for tests.

import { Canvas } from "./canvas.js";
import { setContext, showContext } from "./context.js";
import { roving } from "./roving.js";
import { setLabel, showLabel } from "./label_color.js";
import { runsArea } from "./runs.js";

const canvases = new Set();

// Every canvas of the page has its newest mask on the server.
window.flawsmithFlush = () => {
  for (const canvas of canvases) if (!canvas.root.isConnected) canvases.delete(canvas);
  return Promise.all([...canvases].map((canvas) => canvas.flush()));
};

// Another project was opened: what hidden canvases show is of the one before.
window.flawsmithForget = () => {
  for (const { root, loader } of canvases) if (root.isConnected && root.offsetParent === null) loader.take({ loading: true });
};

// The mask on that canvas is of this label: each label has its colour.
window.flawsmithLabel = (id, label) => setLabel(id, label, canvases);

// What a model sees around the mask on that canvas, as JSON.
window.flawsmithContext = (id, seen) => setContext(id, seen, canvases);

// The arguments are what Gradio gives to js_on_load.
export function start({ element, trigger, props, server, watch }) {
  const canvas = new Canvas({ element, trigger, server }), { view, stage, controls, loader, S } = canvas;
  new ResizeObserver(() => { if (view.resize()) canvas.viewed(); }).observe(stage);
  // Light or dark changes the stage's colour.
  new MutationObserver(() => { if (S.ready) canvas.viewed(); }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  canvases.add(canvas);
  showLabel(canvas);
  showContext(canvas);
  canvas.root.querySelector("[data-tool=drop]").hidden = !server.drop;
  canvas.root.querySelector("[data-tool=context]").hidden = true;
  element.__mask = canvas.root.__mask = hook(canvas);
  controls.setTool(server.drop ? "drop" : "click");
  controls.setMode("add");
  controls.setSize(24);
  controls.toggle("regions", true);
  controls.toggle("fill", true);
  controls.toggle("hover", canvas.hover.on);
  for (const group of canvas.root.querySelectorAll("[role=radiogroup], [role=group]")) roving(group);
  // A tool taken up by mouse leaves the keys to the photo.
  canvas.root.addEventListener("click", (event) => {
    if (event.detail && event.target.closest(".fsc-b")) stage.focus({ preventScroll: true });
  });
  watch("value", () => loader.take(props.value));
  loader.take(props.value);
}

// For tests: screen(x, y) is where image point (x, y) lies on the page, saved counts acknowledgements,
// timings are {total, paint} in ms from a click to the frame that shows its mask, hovers the ms that each preview took,
// preview() the pixels of the mask shown under the mouse, context() the photo rectangle that the model sees, color() the
// mask's colour. For the page: tool(name) takes up a tool, sees(on) offers the Context tool or not, putBack() shows the moved region where it was, without an event.
function hook(canvas) {
  const { S, editor, sync, view, overlay, tools, mover, controls } = canvas;
  return {
    get ready() { return S.ready; },
    get saved() { return S.acks; },
    get busy() { return !!S.pending || !!sync.running || sync.pending; },
    get state() {
      const { tool, mode, size, readonly, polygon, timings } = S, p = S.pending || S.prompt;
      return {
        tool, mode, size, readonly, polygon, timings, points: p ? p.points : [], box: p ? p.box : null, scale: view.scale,
        image_id: S.value && S.value.image_id, sid: S.value && S.value.sid, regions: S.regions.map((r) => r.name), ratio: view.ratio,
        undo: editor.history ? editor.history.past.length : 0, hovers: S.hovers, undoBytes: editor.history ? editor.history.bytes : 0,
      };
    },
    crosshair: () => S.crosshair && [S.crosshair.x, S.crosshair.y],
    context: () => tools.context.rect,
    color: () => overlay.color,
    preview: () => (S.preview ? runsArea(S.preview.runs) : 0),
    count: () => (editor.grid ? editor.grid.area : 0),
    at: (x, y) => editor.grid.bits[y * editor.grid.w + x],
    runs: () => editor.grid.runs(),
    screen: (x, y) => view.toClient(x, y),
    tool: (name) => { if (S.tool !== name) controls.setTool(name); },
    sees: (on) => {
      canvas.root.querySelector("[data-tool=context]").hidden = !on;
      if (!on && S.tool === "context") controls.setTool("click");
    },
    putBack: () => { if (!tools.gesture) mover.forget(); },
    flush: () => canvas.flush(),
  };
}
