// Runs to open, to tick for a comparison, to remove: "opened" and "removed" tell {id}, "compared" tells {ids}.

import { confirmed } from "./confirm.js";

export function start({ element, trigger, watch }) {
  const ticked = () => [...element.querySelectorAll("input:checked")].map((box) => box.value);
  const count = () => {
    const button = element.querySelector("[data-compare]"), n = ticked().length;
    if (!button) return;
    button.disabled = n < 2;
    button.textContent = n < 2 ? "Tick two runs to compare" : "Compare " + n + " runs";
  };
  element.addEventListener("change", count);
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.open) trigger("opened", { id: button.dataset.open });
    if (button.dataset.remove && confirmed(button)) trigger("removed", { id: button.dataset.remove });
    if ("compare" in button.dataset) trigger("compared", { ids: ticked() });
  });
  element.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const all = [...element.querySelectorAll("[data-open]")], next = all[all.indexOf(document.activeElement) + step];
    if (!step || !document.activeElement.dataset.open) return;
    event.preventDefault();
    if (next) next.focus();
  });
  watch("value", count);
  count();
}
