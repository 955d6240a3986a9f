// Light or dark: the person's choice, else the system's. Gradio puts the class `dark` on the body.
(() => {
  const KEY = "flawsmith-dark";
  const apply = () => {
    const chosen = localStorage.getItem(KEY);
    if (chosen !== null) document.body.classList.toggle("dark", chosen === "1");
  };
  window.flawsmithDark = () => {
    localStorage.setItem(KEY, document.body.classList.contains("dark") ? "0" : "1");
    apply();
  };
  document.addEventListener("DOMContentLoaded", apply);
  const wait = setInterval(() => {
    if (document.querySelector("#fs-tabs")) { apply(); clearInterval(wait); }
  }, 50);
  setTimeout(() => clearInterval(wait), 10000);

  // A key presses the visible button that names it: <button ... data-less id="fs-key-a">. Typing is left alone.
  const KEYS = {
    a: "fs-key-keep", r: "fs-key-reject", u: "fs-key-undo",
    ArrowRight: "fs-key-next", ArrowLeft: "fs-key-back", m: "fs-key-outline",
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, canvas, [contenteditable], [role=slider]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const id = KEYS[event.key] || KEYS[event.key.toLowerCase()];
    if (!id) return;
    const button = [...document.querySelectorAll(`#${id}, .${id}`)].find((b) => b.offsetParent !== null && !b.disabled);
    if (button) { event.preventDefault(); button.click(); }
  });
})();
