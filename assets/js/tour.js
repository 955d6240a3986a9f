// A tour of two minutes through the tabs, offered on the first start in a line of its own: it covers nothing. Whether it
// was taken or turned down is remembered by the browser; the button in the header takes it again.

const KEY = "flawsmith-tour";
export const STEPS = [
  ["Product", "#fs-drop", "Photos of good parts come in here: drop a folder or a zip, or choose a demo in the list above."],
  ["Regions", "#fs-regions-canvas", "Click a component and name it, so that a washer can go missing. Scratches and stains need no names."],
  ["Studio", "#fs-engine", "Choose what shall be wrong, click the place on the photo, press Ctrl Enter. A keeps a preview, X discards it."],
  ["Concepts", "#fs-cx-examples", "Photos of your own defects, a few of each kind, teach Flawsmith to draw more of them."],
  ["Review", "#fs-review-verdict", "What was made in bulk waits here for you: A keeps, X discards, U takes back."],
  ["Export", "#fs-formats", "What you kept becomes a dataset that detector libraries load unchanged."],
];

export class Tour {
  // open(name): brings a tab to the front; store: localStorage or the like.
  constructor(document, store, open) {
    Object.assign(this, { document, store, open, at: -1 });
  }

  get seen() { return this.store.getItem(KEY) !== null; }

  offer() {
    if (this.seen) return;
    this.line("New here? A tour of the tabs takes two minutes.", [["Take the tour", () => this.go(0)], ["No, thanks", () => this.end()]]);
  }

  go(at) {
    if (at < 0 || at >= STEPS.length) { this.end(); return; }
    this.at = at;
    const [name, place, text] = STEPS[at], last = at === STEPS.length - 1;
    this.open(name);
    this.line(text, [
      ...(at ? [["Back", () => this.go(at - 1)]] : []),
      [last ? "Done" : "Next", () => this.go(at + 1)],
      ...(last ? [] : [["End the tour", () => this.end()]]),
    ], at + 1 + " of " + STEPS.length + " · " + name);
    for (const wait of [0, 400, 1500]) setTimeout(() => { if (this.at === at) this.mark(place); }, wait); // a tab fills late
  }

  end() {
    const toured = this.at >= 0;
    this.store.setItem(KEY, "seen");
    this.at = -1;
    this.mark(null);
    if (this.box) this.box.remove();
    this.box = null;
    this.document.body.classList.remove("fs-touring");
    if (toured) this.open(STEPS[0][0]);
  }

  mark(place) {
    for (const old of this.document.querySelectorAll(".fs-tour-mark")) old.classList.remove("fs-tour-mark");
    const found = place && this.document.querySelector(place);
    if (found) found.classList.add("fs-tour-mark");
  }

  line(text, choices, title = "") {
    const { document } = this, head = document.querySelector(".fs-head");
    if (this.box) this.box.remove();
    const box = this.box = document.createElement("div"), said = document.createElement("p");
    box.id = "fs-tour-line";
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", "Tour");
    if (title) said.append(Object.assign(document.createElement("b"), { textContent: title + ". " }));
    said.append(text);
    box.append(said);
    for (const [words, act] of choices) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: words });
      button.addEventListener("click", act);
      box.append(button);
    }
    head.after(box);
    document.body.classList.add("fs-touring");
    if (title) box.querySelector(title.startsWith("1 ") ? "button" : "button:nth-of-type(2)").focus();
  }
}

if (typeof window !== "undefined") {
  const open = (name) => {
    const tab = [...document.querySelectorAll("#fs-tabs [role=tab]")].find((one) => one.dataset.tabId === name.toLowerCase());
    if (tab && tab.getAttribute("aria-selected") !== "true") tab.click();
  };
  const tour = new Tour(document, localStorage, open);
  const wait = setInterval(() => {
    if (!document.body.classList.contains("fs-ready") || !document.querySelector(".fs-head")) return;
    clearInterval(wait);
    tour.offer();
  }, 200);
  window.flawsmithTour = () => tour.go(0);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && tour.at >= 0 && !event.defaultPrevented) tour.end(); });
}
