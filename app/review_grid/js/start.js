// Begins: the board in its element of the page.

import { Board } from "./board.js";
import { bind, TEXT } from "./controls.js";

// The arguments are what Gradio gives to js_on_load.
export function start({ element, trigger, props, server, watch }) {
  const root = element.querySelector(".fsb"), board = new Board(root, server, () => trigger("judged", {}));
  let first = true;
  const take = () => {
    const { value } = props, focus = document.activeElement;
    if (!value || !value.sid) return;
    if (!first) board.say("");
    // After a choice in a list the keys belong to the board again.
    if (!first && root.offsetParent && focus && focus.closest(".fs-filters") && focus.matches(TEXT)) focus.blur();
    first = false;
    board.take(value);
  };
  bind(board);
  document.addEventListener("flawsmith-verdicts", () => board.refresh());
  watch("value", take);
  take();
}
