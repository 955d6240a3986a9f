// The page's elements, the state, and who talks to whom.
// In scope from Gradio: element, trigger, props, server, upload, watch.

const root = element.querySelector(".fsc"), stage = root.querySelector(".fsc-stage");
const find = (name) => root.querySelector(".fsc-" + name);
const layers = { photo: find("photo"), over: find("over"), top: find("top") };
const S = {
  tool: "click", mode: "add", size: 24, sized: false, ready: false, readonly: false, value: null, image: null,
  pointer: null, prompt: null, pending: null, polygon: [], rubber: null, ghost: null, regions: [],
  space: false, panning: false, erasing: false, painted: null, timings: [], acks: 0, segmenter: "",
};
const MAX_BRUSH = 600;
const HINTS = {
  click: "Click selects, right-click removes, drag draws a box, Enter keeps",
  brush: "Drag paints, right or Shift erases, [ and ] change the size",
  erase: "Drag erases, right or Shift paints",
  polygon: "Click corners, double-click or Enter closes, Backspace removes one",
  box: "Drag a box, right or Shift takes it away",
  region: "Click a region to take it, right or Shift takes it away",
  move: "Drag a region, turn it by the round grip, size it by the square one",
};

const view = new View(stage, layers);
const overlay = new Overlay(view, layers.over.getContext("2d", { willReadFrequently: true }));
const marks = new Marks(view, layers.top.getContext("2d", { willReadFrequently: true }));
const editor = new Editor(S, {
  view, overlay, note, counted: showArea, changed: () => sync.changed(),
  paintMarks: () => marks.paint(S, overlay.showRegions && S.tool !== "brush" && S.tool !== "erase"),
});
const sync = new Sync(message, showSaved, (reply) => {
  S.acks++;
  trigger("mask_saved", { image_id: S.value.image_id, area: reply.area, seq: reply.seq });
});
const prompter = new Prompter(editor, showBusy, showSegmenter);
const picked = (region) => say("region_picked", { image_id: S.value.image_id, name: region.name });
const mover = new Mover(editor, view, (ghost) => {
  const { dx, dy, angle, scale } = ghost;
  say("region_moved", { image_id: S.value.image_id, name: ghost.region.name, dx, dy, angle, scale });
}, picked);
const tools = new Tools(editor, view, prompter, mover, {
  pointer: showPointer, cursor: (c) => { stage.style.cursor = c; }, viewed, counted: showArea,
  picked,
});

function message() {
  if (!editor.grid || !S.value) return null;
  const { sid, image_id, width, height } = S.value;
  return { v: 1, sid, image_id, seq: nextSeq(), size: [width, height], rle: editor.grid.runs() };
}

// Every click answered and the newest mask on the server.
async function flush() {
  await prompter.settled;
  await sync.flush();
}

// Tell Python, once the server has the mask.
async function say(event, data) {
  try {
    await flush();
    trigger(event, data);
  } catch (error) {
    note(error.message, true);
  }
}
