// The component prompt as chips. Told: "chip_edited" {edit}, "chip_replaced" {edit, lender}, "chip_dropped" {place},
// "chip_undone" and "chip_cleared" {}, "chip_titled" {title}, "chip_worded" {concept}, "chips_previewed" {}.

const chipOf = (node) => node.closest("[data-chip]");

function goToTab(name) {
  [...document.querySelectorAll("#fs-tabs button[role=tab]")].find((tab) => tab.dataset.tabId === name.toLowerCase()).click();
}

export class Chips {
  constructor(element, trigger) {
    this.element = element;
    this.trigger = trigger;
    this.open = new Set(); // chips whose fold is open
    this.held = ""; // key of the control that has the focus
    this.drafts = new Map(); // what was typed and not told yet, by key
    element.addEventListener("input", ({ target }) => { if (target.matches("input[data-key]")) this.drafts.set(target.dataset.key, target.value); });
    // A title that was put back after the chips were drawn anew tells of no change when it is left.
    element.addEventListener("focusout", ({ target }) => queueMicrotask(() => {
      if ("title" in target.dataset && target.isConnected && this.drafts.has(target.dataset.key)) this.typed(target);
    }));
    element.addEventListener("focusin", (event) => { this.held = event.target.dataset.key || ""; });
    element.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.press(button);
    });
    element.addEventListener("change", (event) => this.change(event.target));
    element.addEventListener("keydown", (event) => {
      if (event.target.matches("input")) this.typing(event);
      else if (event.target.matches("button") && chipOf(event.target)) this.key(event, event.target, chipOf(event.target));
    });
  }

  unfold(chip, on) {
    const fold = chip.querySelector("[data-fold]"), more = chip.querySelector(".fs-chip-more");
    if (!fold) return;
    fold.setAttribute("aria-expanded", String(on));
    more.hidden = !on;
    if (on) this.open.add(chip.dataset.chip);
    else this.open.delete(chip.dataset.chip);
  }

  typed(box) {
    const text = box.value.trim();
    this.drafts.delete(box.dataset.key);
    if ("title" in box.dataset) this.trigger("chip_titled", { title: text });
    else if (text) this.trigger("chip_edited", { edit: box.dataset.write + text });
  }

  press(button) {
    const { dataset } = button;
    this.held = dataset.key || "";
    if ("edit" in dataset) this.trigger("chip_edited", { edit: dataset.edit });
    if ("fold" in dataset) this.unfold(chipOf(button), button.getAttribute("aria-expanded") !== "true");
    if ("set" in dataset) this.typed(button.previousElementSibling);
    if ("drop" in dataset) this.trigger("chip_dropped", { place: Number(dataset.drop) });
    if ("undo" in dataset) this.trigger("chip_undone", {});
    if ("clear" in dataset) this.trigger("chip_cleared", {});
    if ("preview" in dataset) this.trigger("chips_previewed", {});
    if ("goto" in dataset) goToTab(dataset.goto);
  }

  change(box) {
    const { dataset, value } = box;
    this.held = dataset.key || "";
    if ("title" in dataset) this.typed(box);
    if ("words" in dataset) this.trigger("chip_worded", { concept: value });
    if (!value) return;
    const option = box.selectedOptions && box.selectedOptions[0];
    if ("swap" in dataset) this.trigger("chip_edited", { edit: value });
    if ("replace" in dataset) this.trigger("chip_replaced", { edit: value, lender: option.dataset.lender || "" });
  }

  typing(event) {
    const box = event.target;
    if (event.key === "Enter") {
      event.preventDefault();
      this.held = box.dataset.key || "";
      if ("title" in box.dataset) box.blur();
      else this.typed(box);
    }
    event.stopPropagation();
  }

  // On a chip the keys do what its buttons show.
  key(event, at, chip) {
    const name = { "+": "more", "=": "more", "-": "fewer", Delete: "strike", Backspace: "strike" }[event.key];
    const button = name && chip.querySelector(`[data-press=${name}]:enabled`);
    if (button) { event.preventDefault(); button.click(); this.held = at.dataset.key; }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const all = [...this.element.querySelectorAll("[data-chip]")], next = all[all.indexOf(chip) + step];
    const same = next && (next.querySelector(`[data-press=${at.dataset.press || "fold"}]:enabled`) || next.querySelector("button:enabled"));
    if (same) { event.preventDefault(); event.stopPropagation(); same.focus(); }
  }

  // Chips drawn anew may take over another one's button, the focus with it, and lose what is being typed.
  redrawn() {
    const { element, held, open, drafts } = this;
    for (const box of element.querySelectorAll("input[data-key]")) if (drafts.has(box.dataset.key)) box.value = drafts.get(box.dataset.key);
    for (const chip of element.querySelectorAll("[data-chip]")) if (open.has(chip.dataset.chip)) this.unfold(chip, true);
    const at = document.activeElement, idle = !at || at === document.body;
    if (!held || !(idle || (element.contains(at) && at.dataset.key !== held))) return;
    // A button that has nothing left to do hands the focus to the rest of its chip.
    const key = CSS.escape(held), chip = CSS.escape(held.split("/")[0]);
    const next = element.querySelector(`[data-key="${key}"]:enabled`) || element.querySelector(`[data-chip="${chip}"] button:enabled`)
      || element.querySelector("[data-undo]:enabled");
    if (next) next.focus({ preventScroll: true });
    if (next && drafts.has(held)) next.setSelectionRange(next.value.length, next.value.length);
  }
}

export function start({ element, trigger, watch }) {
  const chips = new Chips(element, trigger);
  watch("value", () => chips.redrawn());
}
