// The canvas over the whole window, full screen where the browser lets it; the panels beside it are drawers. A canvas asks
// for it by "flawsmith-focus"; Esc leaves, once the canvas has nothing left to cancel.

const ON = "fs-focus";
const DRAWERS = [["fs-side", "Settings"], ["fs-studio-result", "Previews"]];

export class FocusMode {
  constructor(win) {
    this.win = win;
    win.addEventListener("flawsmith-focus", () => (this.on ? this.leave() : this.enter()));
    // The canvas hears its keys on the window too, and says by preventDefault that Esc was its own.
    win.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.on) setTimeout(() => { if (!event.defaultPrevented) this.leave(); }, 0);
    });
    win.document.addEventListener("fullscreenchange", () => { if (this.full && !win.document.fullscreenElement) this.leave(); });
    win.addEventListener("click", (event) => { if (this.on && event.target.closest("#fs-tabs [role=tab]")) this.leave(); });
  }

  get on() { return this.win.document.body.classList.contains(ON); }

  enter() {
    const { document } = this.win;
    this.bar = this.buttons(); // a drawer that is not out yet is no panel in sight
    document.body.classList.add(ON);
    document.body.append(this.bar);
    this.full = false;
    const asked = document.documentElement.requestFullscreen && document.documentElement.requestFullscreen();
    if (asked) asked.then(() => { this.full = true; }, () => {}); // a browser that refuses leaves it in its window
    this.resized();
  }

  leave() {
    const { document } = this.win;
    document.body.classList.remove(ON, ...DRAWERS.map(([name]) => name + "-out"));
    if (this.bar) this.bar.remove();
    if (this.full && document.fullscreenElement) document.exitFullscreen();
    this.full = false;
    this.resized();
  }

  // Only the drawers of the tab in front.
  buttons() {
    const { document } = this.win, bar = document.createElement("div");
    bar.className = "fs-focus-bar";
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", "Focus mode");
    for (const [name, title] of DRAWERS) {
      const there = [...document.querySelectorAll("." + name)].some((panel) => panel.offsetParent !== null);
      if (there) bar.append(this.button(title, (button) => this.slide(name, button)));
    }
    bar.append(this.button("Leave (Esc)", () => this.leave()));
    return bar;
  }

  slide(name, button) {
    const { classList } = this.win.document.body, out = classList.toggle(name + "-out");
    for (const [other] of DRAWERS) if (other !== name) classList.remove(other + "-out");
    for (const one of this.bar.children) one.setAttribute("aria-expanded", String(out && one === button));
  }

  button(text, act) {
    const button = this.win.document.createElement("button");
    Object.assign(button, { type: "button", textContent: text });
    button.addEventListener("click", () => act(button));
    return button;
  }

  resized() { this.win.dispatchEvent(new this.win.Event("resize")); }
}

if (typeof window !== "undefined") new FocusMode(window);
