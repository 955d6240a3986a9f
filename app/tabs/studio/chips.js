// The component prompt as chips. Told: "chip_edited" {edit}, "chip_replaced" {edit, lender}, "chip_dropped" {place},
// "chip_undone" and "chip_cleared" {}, "chip_titled" {title}, "chip_worded" {concept}, "chips_previewed" {}.
const open = new Set();
let held = "";
element.addEventListener("focusin", (event) => { held = event.target.dataset.key || ""; });
const chipOf = (node) => node.closest("[data-chip]");
const unfold = (chip, on) => {
  const fold = chip.querySelector("[data-fold]"), more = chip.querySelector(".fs-chip-more");
  if (!fold) return;
  fold.setAttribute("aria-expanded", String(on));
  more.hidden = !on;
  on ? open.add(chip.dataset.chip) : open.delete(chip.dataset.chip);
};
const typed = (box) => {
  const text = box.value.trim();
  if ("title" in box.dataset) trigger("chip_titled", { title: text });
  else if (text) trigger("chip_edited", { edit: box.dataset.write + text });
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { dataset } = button;
  held = dataset.key || "";
  if ("edit" in dataset) trigger("chip_edited", { edit: dataset.edit });
  if ("fold" in dataset) unfold(chipOf(button), button.getAttribute("aria-expanded") !== "true");
  if ("set" in dataset) typed(button.previousElementSibling);
  if ("drop" in dataset) trigger("chip_dropped", { place: Number(dataset.drop) });
  if ("undo" in dataset) trigger("chip_undone", {});
  if ("clear" in dataset) trigger("chip_cleared", {});
  if ("preview" in dataset) trigger("chips_previewed", {});
  if ("goto" in dataset) {
    [...document.querySelectorAll("#fs-tabs button[role=tab]")].find((tab) => tab.textContent.trim() === dataset.goto).click();
  }
});
element.addEventListener("change", (event) => {
  const { dataset, value } = event.target;
  held = dataset.key || "";
  if ("title" in dataset) typed(event.target);
  if ("words" in dataset) trigger("chip_worded", { concept: value });
  if (!value) return;
  const option = event.target.selectedOptions && event.target.selectedOptions[0];
  if ("swap" in dataset) trigger("chip_edited", { edit: value });
  if ("replace" in dataset) trigger("chip_replaced", { edit: value, lender: option.dataset.lender || "" });
});
element.addEventListener("keydown", (event) => {
  const at = event.target, chip = chipOf(at);
  if (at.matches("input")) {
    if (event.key === "Enter") {
      event.preventDefault();
      held = at.dataset.key || "";
      "title" in at.dataset ? at.blur() : typed(at);
    }
    event.stopPropagation();
    return;
  }
  // On a chip the keys do what its buttons show.
  const name = { "+": "more", "=": "more", "-": "fewer", Delete: "strike", Backspace: "strike" }[event.key];
  if (chip && name && at.matches("button")) {
    const button = chip.querySelector(`[data-press=${name}]`);
    if (button && !button.disabled) { event.preventDefault(); button.click(); held = at.dataset.key; }
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (chip && step && at.matches("button")) {
    const all = [...element.querySelectorAll("[data-chip]")], next = all[all.indexOf(chip) + step];
    const same = next && (next.querySelector(`[data-press=${at.dataset.press || "fold"}]:enabled`) || next.querySelector("button:enabled"));
    if (same) { event.preventDefault(); event.stopPropagation(); same.focus(); }
  }
});
watch("value", () => {
  for (const chip of element.querySelectorAll("[data-chip]")) if (open.has(chip.dataset.chip)) unfold(chip, true);
  // Chips drawn anew may take over another one's button, the focus with it.
  const at = document.activeElement, idle = !at || at === document.body;
  if (!held || !(idle || (element.contains(at) && at.dataset.key !== held))) return;
  // A button that has nothing left to do hands the focus to the rest of its chip.
  const key = CSS.escape(held), chip = CSS.escape(held.split("/")[0]);
  const next = element.querySelector(`[data-key="${key}"]:enabled`) || element.querySelector(`[data-chip="${chip}"] button:enabled`)
    || element.querySelector("[data-undo]:enabled");
  if (next) next.focus({ preventScroll: true });
});
