// Keys and buttons to what the board does.

export const TEXT = "input:not([type=radio]):not([type=checkbox]):not([type=range]), textarea, select, [contenteditable=true]";

// What each key does; `pressed` only, where a held key must not repeat it.
function keyActions(board) {
  const { tiles, taste, compare } = board, at = () => board.selection.at, last = () => tiles.rows.length - 1;
  const pressed = (act) => (event) => { if (!event.repeat) act(event); };
  return {
    a: pressed(() => board.judge("kept")), x: pressed(() => board.judge("rejected")), r: pressed(() => board.judge("rejected")), n: pressed(() => board.judge("new")),
    u: pressed((event) => board.again(event.shiftKey ? "redo" : "undo")),
    m: pressed(() => taste.flip("outline")), z: pressed(() => taste.flip("zoom")), v: pressed(() => taste.flip("view")),
    e: pressed(() => taste.flip("real")),
    s: pressed(() => board.remarks.star()), l: pressed(() => board.remarks.focus("label")), t: pressed(() => board.remarks.focus("note")),
    o: () => compare.blink(true),
    arrowright: (event) => event.shiftKey ? tiles.reach(Math.min(at() + 1, last())) : board.step(1),
    arrowleft: (event) => event.shiftKey ? tiles.reach(Math.max(at() - 1, 0)) : board.step(-1),
    arrowdown: () => board.step(tiles.columns), arrowup: () => board.step(-tiles.columns),
    home: () => tiles.go(0), end: () => tiles.go(last()),
    pagedown: () => board.turn(1), pageup: () => board.turn(-1), escape: () => tiles.go(at()),
  };
}

function press(board, button) {
  const { view, toggle, verdict } = button.dataset;
  if (view) board.taste.set("view", view);
  else if (toggle) board.taste.flip(toggle);
  else if (verdict) board.judge(verdict);
  else if ("star" in button.dataset) board.remarks.star();
  else if (button.dataset.do) board.again(button.dataset.do);
  else if (button.classList.contains("fsb-back")) board.turn(-1);
  else if (button.classList.contains("fsb-forth")) board.turn(1);
}

function bindButtons(board) {
  const { root, compare } = board, holder = root.querySelector("[data-hold]");
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) press(board, button);
  });
  holder.addEventListener("pointerdown", () => compare.blink(true));
  for (const name of ["pointerup", "pointerleave", "pointercancel"]) holder.addEventListener(name, () => compare.blink(false));
}

function bindKeys(board) {
  const { root, tiles } = board, actions = keyActions(board);
  const onKey = (event) => {
    if (!root.isConnected) { document.removeEventListener("keydown", onKey); return; }
    const at = event.target, key = event.key.toLowerCase();
    if (root.offsetParent === null || at.matches(TEXT) || event.altKey || event.defaultPrevented) return;
    if (at.matches("input, [role=tab], [role=slider]") && key.startsWith("arrow")) return;
    if (event.ctrlKey || event.metaKey) {
      if (key === "a" && tiles.rows.length) { event.preventDefault(); tiles.all(); }
      return;
    }
    const act = actions[key];
    if (!act || (!tiles.rows.length && key !== "u")) return;
    event.preventDefault();
    act(event);
  };
  document.addEventListener("keydown", onKey);
}

export function bind(board) {
  const { root, compare, requests } = board;
  bindButtons(board);
  bindKeys(board);
  document.addEventListener("keyup", (event) => { if (event.key.toLowerCase() === "o") compare.blink(false); });
  window.addEventListener("blur", () => compare.blink(false));
  window.addEventListener("beforeunload", (event) => {
    if (requests.unsent && root.isConnected && root.offsetParent) event.preventDefault();
  });
}
