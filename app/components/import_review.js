// What was found in a source, before it is imported. A press on a reading tells "reading_set" {where, reading, label},
// "where", since Gradio takes what has a "path" for a file. A label tells "label_set" {label, name}, or "reading_set"
// where it is that of a folder's defects. A scale of photos above 8 bits tells "scale_set" {type, ends}, "0..4095".
// "said_undone" {} takes all back.

import { labelName } from "./label_name.js";

class ImportDraftPanel {
  constructor(element, trigger) {
    this.element = element;
    this.trigger = trigger;
    this.left = null; // the control that a change was made with
    element.addEventListener("click", (event) => this.press(event));
    element.addEventListener("change", (event) => this.name(event));
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("input")) event.target.blur();
    });
    new MutationObserver(() => this.comeBack()).observe(element, { childList: true, subtree: true });
  }

  press(event) {
    const button = event.target.closest("button[data-reading]");
    if (button) {
      const where = button.closest("[data-path]").dataset.path;
      this.busy(button);
      this.leave(button);
      this.trigger("reading_set", { where, reading: button.dataset.reading, label: "" });
    }
    if (event.target.closest("[data-undo]")) this.trigger("said_undone", {});
  }

  name(event) {
    const field = event.target;
    this.leave(field);
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

  // Every change draws the table anew, which would throw a keyboard back to the top of the page.
  leave(control) {
    const { reading, label, scale, defects } = control.dataset;
    const inside = control.closest("[data-path]");
    this.left = { reading, label, scale, defects, tag: inside?.tagName, path: inside?.dataset.path };
  }

  comeBack() {
    const lost = document.activeElement === null || document.activeElement === document.body;
    if (this.left === null || !lost || !this.element.querySelector("[data-reading]")) return;
    const control = this.same(this.left) ?? this.element.querySelector("figure button, tbody button");
    this.left = null;
    control?.focus({ preventScroll: true });
  }

  same({ reading, label, scale, defects, tag, path }) {
    const controls = this.element.querySelectorAll("button[data-reading], input");
    return [...controls].find((control) => {
      const inside = control.closest("[data-path]");
      const has = control.dataset;
      return inside?.tagName === tag && inside?.dataset.path === path && has.reading === reading
        && has.label === label && has.scale === scale && (has.defects === undefined) === (defects === undefined);
    });
  }
}

export function start({ element, trigger }) {
  return new ImportDraftPanel(element, trigger);
}
