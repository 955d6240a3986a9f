// Keys of the Studio: Ctrl+Enter makes previews from anywhere, Enter where nothing else wants it; A, X and U judge.
const shown = (id) => {
  const button = document.getElementById(id);
  return button && button.offsetParent !== null && !button.disabled ? button : null;
};
const KEYS = { a: "fs-keep", x: "fs-discard", u: "fs-undo-verdict" };
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || event.isComposing) return;
  const go = shown("fs-generate"), bare = !event.ctrlKey && !event.metaKey, at = event.target;
  if (!go) return;
  let button = null;
  if (event.key === "Enter") {
    // On the canvas Enter ends the selection first and then asks for the same.
    if (bare && at !== document.body) return;
    if (!bare && at.matches("input, textarea")) at.blur(); // a value being typed counts
    button = go;
  } else if (bare && !event.shiftKey && !at.closest("input:not([type=range], [type=checkbox], [type=radio]), textarea, select, [contenteditable]")) {
    button = shown(KEYS[event.key.toLowerCase()]);
  }
  if (!button) return;
  event.preventDefault();
  if (!event.repeat) setTimeout(() => button.click(), 0);
});
