// Shortcuts. Buttons bear theirs in data-key; the rest is here. They work while the focus or the pointer is on
// the canvas; with the focus on nothing or a button, those that neither scroll the page nor delete. Never while typing elsewhere.

const NO_TEXT = "input[type=radio], input[type=checkbox], input[type=range]";
const CLOSE_ONLY = ["space", "enter", "delete", "backspace", "arrowleft", "arrowright", "arrowup", "arrowdown", "ctrl+c", "ctrl+v"];

// What a shortcut is called in data-key: "ctrl+shift+z", "space", "?".
export function keyName(event) {
  const { key: typed, code } = event;
  const key = typed === " " ? "space" : typed === "`" || code === "Backquote" ? "backquote" : typed.toLowerCase();
  const letter = /^[a-z]$/.test(key);
  return (event.ctrlKey || event.metaKey ? "ctrl+" : "") + (event.shiftKey && letter ? "shift+" : "") + key;
}

export class Keys {
  constructor(root, stage, actions) {
    this.root = root;
    this.stage = stage;
    this.actions = actions; // {key: function(event)}; a function that returns false leaves the key alone
    this.over = false;
    this.buttons = new Map();
    for (const b of root.querySelectorAll("[data-key]")) {
      for (const key of b.dataset.key.split(" ")) this.buttons.set(key.toLowerCase(), b);
    }
    root.addEventListener("pointerenter", () => { this.over = true; });
    root.addEventListener("pointerleave", () => { this.over = false; });
    // The focus ring is for those who came by Tab, not for those who clicked.
    this.listen(window, "keydown", (e) => { if (e.key === "Tab") root.classList.add("fsc-tabbed"); this.down(e); });
    this.listen(window, "pointerdown", () => root.classList.remove("fsc-tabbed"));
    this.listen(window, "keyup", (e) => this.up(e));
    this.listen(window, "blur", () => actions.released());
  }

  listen(target, type, handler) {
    // The window outlives the canvas: let go once it is gone from the page.
    const run = (e) => {
      if (this.root.isConnected) handler(e);
      else target.removeEventListener(type, run);
    };
    target.addEventListener(type, run);
  }

  ours(event, name) {
    const at = document.activeElement;
    if (this.root.offsetParent === null || event.defaultPrevented) return false;
    if (this.root.contains(at)) return true;
    if (at && at.matches("textarea, select, [contenteditable], input") && !at.matches(NO_TEXT)) return false;
    if (at && at.matches(NO_TEXT)) return !CLOSE_ONLY.includes(name);
    return this.over || ((!at || at.matches("body, button")) && !CLOSE_ONLY.includes(name));
  }

  down(event) {
    const name = keyName(event);
    if (event.altKey || !this.ours(event, name)) return;
    const known = this.buttons.get(name), button = known && !known.hidden ? known : null, action = this.actions[name];
    // The slider keeps its arrows; a focused button keeps Space and Enter.
    const at = document.activeElement, inBar = at !== this.stage && this.root.contains(at);
    if (inBar && (name === "space" || name === "enter" || (at.matches("input") && name.startsWith("arrow")))) return;
    if (action) {
      if (action(event) !== false) event.preventDefault();
    } else if (button && !event.repeat) {
      event.preventDefault();
      if (button.dataset.do === "original") this.actions.held(true);
      else button.click();
    } else if (button) {
      event.preventDefault();
      if (button.dataset.do === "undo" || button.dataset.do === "redo") button.click();
    }
  }

  up(event) {
    const name = keyName(event), button = this.buttons.get(name);
    if (name === "space") this.actions.released("space");
    if (button && button.dataset.do === "original") this.actions.held(false);
  }
}
