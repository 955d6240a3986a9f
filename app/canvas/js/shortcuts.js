// What each key does that no button bears; keys.js says when a key is ours.

const ARROWS = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] };
const FAR = 10; // photo pixels that Shift and an arrow move the mask by
const LOOK_KEYS = {
  "{": ["opacity", false], "}": ["opacity", true], "-": ["brightness", false], "=": ["brightness", true],
  _: ["contrast", false], "+": ["contrast", true], ";": ["gamma", false], "'": ["gamma", true],
};
const MODES = ["add", "subtract", "intersect", "replace"];

const every = (keys, action) => Object.fromEntries(keys.map((key) => [key, action(key)]));

// Turn the mask or the moved region, whichever the tool is for.
export function turnShape({ S, mover, tools }, degrees) {
  if (S.tool !== "transform") mover.turn(degrees);
  else if (S.ready && !S.readonly) tools.transformer.turn(degrees);
}

// Arrows: the crosshair, or with the Transform or Context tool the mask or frame by a pixel, or another photo.
function arrow(controls, name, event) {
  const { canvas, S } = controls, { transformer } = canvas.tools, step = event.shiftKey ? FAR : 1, [x, y] = ARROWS[name];
  if (canvas.crosshair.on) canvas.crosshair.move(name, { far: event.shiftKey, fine: event.ctrlKey || event.metaKey });
  else if (S.tool === "context" && S.ready) canvas.tools.context.nudge(x * step, y * step, event.ctrlKey || event.metaKey);
  else if (event.ctrlKey || event.metaKey) return false;
  else if (S.tool === "transform" && S.ready && !S.readonly) transformer.nudge(x * step, y * step);
  else if (y) return false;
  else {
    canvas.loader.carried = event.shiftKey && transformer.copy();
    controls.turnPhoto(x < 0 ? "previous_photo" : "next_photo");
  }
  return true;
}

// Copy or paste the mask; text that is selected on the page is the browser's to copy.
function clipboard(controls, paste) {
  const { canvas, S } = controls, { transformer } = canvas.tools;
  if (!S.ready || (!paste && String(window.getSelection())) || (paste && S.readonly)) return false;
  if (!paste) {
    if (transformer.copy()) canvas.status.note("Mask copied. Ctrl+V lays it on this or another photo.", false);
  } else {
    controls.setTool("transform");
    transformer.paste();
  }
  return true;
}

// Tab goes on to the next candidate while there are some; else it leaves the photo, as everywhere.
function tab({ canvas, S }, event) {
  const { prompt } = S, more = prompt && (prompt.waiting || prompt.candidates.length > 1);
  if (!more || event.shiftKey || document.activeElement !== canvas.stage) return false;
  canvas.prompter.cycle();
  return true;
}

// Space: a press at the crosshair, else the hand that pans.
function space({ canvas, root, S }, event) {
  if (canvas.crosshair.on) canvas.crosshair.press(event.shiftKey);
  else {
    S.space = true;
    root.classList.add("fsc-pan");
  }
}

// {key: function(event)}; one that returns false leaves the key alone.
export function keyActions(controls) {
  const { canvas, root, S } = controls, { crosshair, editor, look } = canvas, names = Object.keys(ARROWS);
  return {
    escape: () => controls.escape(),
    enter: () => { if (!S.ready || S.readonly) return false; controls.confirm(); return true; },
    space: (e) => space(controls, e),
    o: () => canvas.toggleLock(),
    k: () => crosshair.toggle(),
    tab: (e) => tab(controls, e),
    backspace: () => {
      if (S.tool === "context") canvas.tools.context.reset();
      else if (S.polygon.length) { S.polygon = S.polygon.slice(0, -1); editor.marks(); }
    },
    ...every(names, (name) => (e) => arrow(controls, name, e)),
    ...every(names.map((name) => "ctrl+" + name), (name) => (e) => arrow(controls, name.slice(5), e)),
    "ctrl+c": () => clipboard(controls, false),
    "ctrl+v": () => clipboard(controls, true),
    q: () => controls.setMode(MODES[(MODES.indexOf(S.mode) + 1) % MODES.length]),
    "[": () => controls.stepSize(false),
    "]": () => controls.stepSize(true),
    ...every(Object.keys(LOOK_KEYS), (key) => () => look.step(...LOOK_KEYS[key])),
    "9": () => look.reset(),
    ",": (e) => turnShape(canvas, e.shiftKey ? -15 : -1),
    ".": (e) => turnShape(canvas, e.shiftKey ? 15 : 1),
    "<": () => turnShape(canvas, -15),
    ">": () => turnShape(canvas, 15),
    held: (on) => controls.original(on),
    released: (key) => {
      crosshair.release();
      S.space = false;
      root.classList.remove("fsc-pan");
      if (!key) controls.original(false);
    },
  };
}
