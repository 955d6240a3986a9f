// Cards of concepts: "concept_tried" and "concept_deleted" tell {id}, "concept_renamed" {id, name}; "concept_shown"
// tells the {label} to narrow them to.

import { confirmed } from "../../components/confirm.js";
import { renameInPlace } from "../../components/rename_in_place.js";

export function start({ element, trigger }) {
  const rename = (card) => {
    const title = card.querySelector("h4"), id = card.dataset.id;
    if (!title) return; // it is being renamed
    renameInPlace(title, {
      old: title.textContent,
      maxLength: 80,
      back: card.querySelector("[data-rename]"),
      renamed: (name) => trigger("concept_renamed", { id, name }),
    });
  };
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button"), card = event.target.closest("[data-id]");
    if (!button) return;
    if ("label" in button.dataset) trigger("concept_shown", { label: button.dataset.label });
    if (!card) return;
    if ("try" in button.dataset) trigger("concept_tried", { id: card.dataset.id });
    if ("rename" in button.dataset) rename(card);
    if ("delete" in button.dataset && confirmed(button)) trigger("concept_deleted", { id: card.dataset.id });
  });
  element.addEventListener("dblclick", (event) => {
    if (event.target.matches("h4")) rename(event.target.closest("[data-id]"));
  });
}
