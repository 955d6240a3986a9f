// Each label's own colour of mask, the same wherever the label is written.

import { MASK_COLOR } from "./overlay.js";
import { saidOf } from "./said.js";

// Bright, and none of them like another beside it; the regions' colours are darker.
const COLORS = [MASK_COLOR, "#ff8a00", "#ffd400", "#7dff3c", "#00e6a8", "#1ccaff", "#7f95ff", "#c77dff", "#ff66e0", "#ff9a8b"];
// The label by the id of a canvas' element.
const labels = (globalThis.flawsmithLabels ??= {});

export function labelColor(label) {
  let hash = 0;
  for (const c of label) hash = (hash * 31 + c.codePointAt(0)) >>> 0;
  return label ? COLORS[hash % COLORS.length] : MASK_COLOR;
}

// The mask on the canvas in the element with this id is of this label, whether the canvas is there already or not.
export function setLabel(id, label, canvases) {
  labels[id] = label || "";
  for (const canvas of canvases) showLabel(canvas);
}

export function showLabel(canvas) {
  const label = saidOf(canvas.root, labels);
  if (label === undefined) return;
  canvas.overlay.setColor(labelColor(label));
  canvas.editor.everything();
}
