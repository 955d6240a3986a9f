// A title becomes a field until it is left: Enter and leaving it rename, Escape does not.

// ``renamed(name)`` is called with a name other than ``old``, as ``clean`` makes it of what was typed; ``back`` is the
// element that has the focus afterwards.
export function renameInPlace(title, { old, maxLength, back, renamed, clean = (text) => text.trim() }) {
  const box = document.createElement("input");
  Object.assign(box, { value: old, maxLength });
  box.setAttribute("aria-label", "New name of " + old);
  title.replaceWith(box);
  box.focus();
  box.select();
  let closed = false;
  const close = (keep) => {
    if (closed || !box.isConnected) return;
    closed = true;
    const name = clean(box.value);
    box.replaceWith(title);
    if (keep && name && name !== old) renamed(name);
    back.focus({ preventScroll: true });
  };
  box.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault(); // or the key would press the button that gets the focus
    close(event.key === "Enter");
  });
  // Later, since a list that is drawn anew takes the box away while it loses the focus.
  box.addEventListener("blur", () => setTimeout(() => close(true)));
}
