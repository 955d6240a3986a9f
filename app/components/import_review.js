// What was found in a source, before it is imported. A press on a reading tells "reading_set" {where, reading, label},
// "where", since Gradio takes what has a "path" for a file. A label tells "label_set" {label, name}, or "reading_set"
// where it is that of a folder's defects. A scale of photos above 8 bits tells "scale_set" {type, ends}, "0..4095".
// "said_undone" {} takes all back.

import { labelName } from "./label_name.js";

class ImportDraftPanel {
  constructor(element, trigger) {
    this.element = element;
    this.trigger = trigger;
    element.addEventListener("click", (event) => this.press(event));
    element.addEventListener("change", (event) => this.name(event));
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("input")) event.target.blur();
    });
  }

  press(event) {
    const button = event.target.closest("button[data-reading]");
    if (button) {
      const where = button.closest("[data-path]").dataset.path;
      this.busy(button);
      this.trigger("reading_set", { where, reading: button.dataset.reading, label: "" });
    }
    if (event.target.closest("[data-undo]")) this.trigger("said_undone", {});
  }

  name(event) {
    const field = event.target;
    if (field.matches("[data-label]")) {
      this.trigger("label_set", { label: field.dataset.label, name: labelName(field.value) });
    }
    if (field.matches("[data-scale]")) {
      this.trigger("scale_set", { type: field.dataset.scale, ends: field.value });
    }
    if (field.matches("[data-defects]")) {
      const where = field.closest("[data-path]").dataset.path;
      this.trigger("reading_set", { where, reading: "anomaly", label: labelName(field.value) });
    }
  }

  busy(button) {
    for (const other of button.parentElement.querySelectorAll("button")) {
      other.setAttribute("aria-pressed", other === button);
    }
  }
}

export function start({ element, trigger }) {
  return new ImportDraftPanel(element, trigger);
}
