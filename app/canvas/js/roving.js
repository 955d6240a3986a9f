// A group of buttons is one stop of the Tab key; arrows, Home and End go on inside it (ARIA's toolbar and radio group).

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

// The place after a key among `count`, round the end; null for keys that move nothing.
export function placeAfter(key, at, count) {
  if (!count) return null;
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  return key in STEPS ? (at + STEPS[key] + count) % count : null;
}

export function roving(group) {
  const buttons = () => [...group.querySelectorAll("button")], usable = () => buttons().filter((b) => !b.disabled && !b.hidden);
  const hold = (held) => { for (const b of buttons()) b.tabIndex = b === held ? 0 : -1; };
  // The button that Tab leads to: the one that was there last, else the chosen one.
  const settle = () => {
    const all = usable(), held = all.find((b) => b.tabIndex === 0 && group.contains(group.ownerDocument.activeElement));
    hold(held || all.find((b) => b.getAttribute("aria-checked") === "true") || all[0]);
  };
  group.addEventListener("focusin", (event) => { if (event.target.closest("button")) hold(event.target.closest("button")); });
  group.addEventListener("keydown", (event) => {
    const all = usable(), from = all.indexOf(event.target.closest("button"));
    const to = from < 0 ? null : placeAfter(event.key, from, all.length); // a slider's arrows are its own
    if (to === null || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    all[to].focus();
    if (group.getAttribute("role") === "radiogroup") all[to].click();
  });
  new group.ownerDocument.defaultView.MutationObserver(settle).observe(group, {
    subtree: true, attributes: true, attributeFilter: ["disabled", "hidden", "aria-checked"],
  });
  settle();
}
