// What cannot be undone asks once more, on its own button.

const WAIT_MS = 4000;

// Whether the button was pressed twice within a few seconds; after the first press it says "Really?".
export function confirmed(button) {
  if (button.dataset.sure) return true;
  const before = button.innerHTML;
  button.dataset.sure = "1";
  button.textContent = "Really?";
  setTimeout(() => {
    delete button.dataset.sure;
    button.innerHTML = before;
  }, WAIT_MS);
  return false;
}
