// Light or dark: the person's choice, else the system's. Gradio puts the class `dark` on the body.
const KEY = "flawsmith-dark";
const apply = () => {
  const chosen = localStorage.getItem(KEY);
  if (chosen !== null) document.body.classList.toggle("dark", chosen === "1");
};
window.flawsmithDark = () => {
  localStorage.setItem(KEY, document.body.classList.contains("dark") ? "0" : "1");
  apply();
};

// The window is called after the project, and nothing is shown before the page knows its session.
const arrived = () => {
  const project = document.querySelector("#fs-project");
  if (!project || !project.textContent.trim()) return;
  const name = project.querySelector("b");
  const title = name ? name.textContent + " · Flawsmith" : "Flawsmith";
  if (document.title.replace(/^\d+ % · /, "") !== title) document.title = title; // the tray puts how far a job is before it
  document.body.classList.add("fs-ready");
};
const begin = () => {
  apply();
  const wait = setInterval(() => {
    const head = document.querySelector(".fs-head");
    if (!head || !document.querySelector("#fs-tabs")) return;
    clearInterval(wait);
    apply();
    arrived();
    new MutationObserver(arrived).observe(head, { childList: true, subtree: true, characterData: true });
  }, 30);
  setTimeout(() => document.body.classList.add("fs-ready"), 8000);
};
// Buttons that show a sign only get a name, for screen readers and as a tip.
const NAMES = {
  "fs-dark": "Light or dark", "fs-tour": "Take the tour", "fs-dice": "Roll another seed", "fs-album-back": "Previous page", "fs-album-forth": "Next page",
};
for (const use of ["studio", "regions", "concepts"]) {
  NAMES["fs-" + use + "-back"] = "Previous photo";
  NAMES["fs-" + use + "-forth"] = "Next photo";
}
const nameButtons = () => {
  for (const [id, name] of Object.entries(NAMES)) {
    const button = document.getElementById(id);
    if (!button || button.getAttribute("aria-label") === name) continue;
    button.setAttribute("aria-label", name);
    button.title = name;
  }
  // Where files are dropped, the words in sight are the name.
  for (const place of document.querySelectorAll(".upload-container[aria-label]")) place.removeAttribute("aria-label");
};
let naming = 0;
new MutationObserver(() => {
  if (!naming) naming = requestAnimationFrame(() => { naming = 0; nameButtons(); });
}).observe(document.documentElement, { childList: true, subtree: true });

// After a tab was chosen by mouse, the arrows belong to what it shows.
document.addEventListener("click", (event) => {
  const tab = event.detail && event.target.closest("#fs-tabs [role=tab]");
  if (tab) setTimeout(() => tab.blur(), 0);
});

if (document.body) begin();
else document.addEventListener("DOMContentLoaded", begin);

// A key presses the visible button of its class or id. Typing is left alone, and a held key counts once.
const KEYS = {
  a: "fs-key-keep", r: "fs-key-reject", u: "fs-key-undo", ArrowRight: "fs-key-next", ArrowLeft: "fs-key-back",
};
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select, canvas, [contenteditable], [role=slider]");
  if (typing || event.defaultPrevented || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const id = KEYS[event.key] || KEYS[event.key.toLowerCase()];
  if (!id) return;
  const button = [...document.querySelectorAll("#" + id + ", ." + id)].find((b) => b.offsetParent !== null && !b.disabled);
  if (button) { event.preventDefault(); button.click(); }
});

// Tab leaves a field with its list for the next field: a list that scrolls would take the focus, and lose it as it closes.
document.addEventListener("keydown", (event) => {
  const field = event.key === "Tab" && event.target.closest?.("[role=combobox]");
  const list = field && document.getElementById(field.getAttribute("aria-controls"));
  if (list) list.tabIndex = -1;
}, true);
// A list that opened in the moment in which its field was left stays open otherwise: leaving is told again.
document.addEventListener("focusout", (event) => {
  const field = event.target;
  if (field.getAttribute?.("role") !== "combobox") return;
  setTimeout(() => {
    const stays = document.activeElement !== field && field.getAttribute("aria-expanded") === "true";
    if (stays) field.dispatchEvent(new FocusEvent("blur"));
  }, 60);
}, true);
