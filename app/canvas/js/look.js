// How the photo and the mask are shown: brightness, contrast and gamma of the view, opacity of the mask. Nothing of it
// reaches a pixel that is stored; it is remembered in the browser, for each project.

export const CONTROLS = {
  opacity: { least: 0, most: 100, step: 10, neutral: 100, unit: " %" },
  brightness: { least: -100, most: 100, step: 5, neutral: 0, unit: "" },
  contrast: { least: -100, most: 100, step: 5, neutral: 0, unit: "" },
  gamma: { least: 0.2, most: 5, step: 0.1, neutral: 1, unit: "" },
};
const POINTS = 65; // of the curve, which the browser interpolates between

export function neutralLook() { return Object.fromEntries(Object.entries(CONTROLS).map(([name, c]) => [name, c.neutral])); }

// A value on the control's grid and within its limits; neutral where it is no number.
export function checkedValue(name, value) {
  const { least, most, step, neutral } = CONTROLS[name];
  if (!Number.isFinite(value)) return neutral;
  return Math.round(Math.min(most, Math.max(least, Math.round(value / step) * step)) * 100) / 100;
}

// What shown levels the levels 0..1 of a channel get, as a curve of POINTS values in 0..1.
export function lookCurve({ brightness, contrast, gamma }) {
  const slope = contrast < 0 ? 1 + contrast / 100 : 1 + contrast / 25;
  return Array.from({ length: POINTS }, (_, i) => {
    const level = (i / (POINTS - 1) - 0.5 + brightness / 100) * slope + 0.5;
    return Math.min(1, Math.max(0, level)) ** (1 / gamma);
  });
}

export class Look {
  // root: the canvas' root element; changed() after the mask's opacity changed.
  constructor(root, overlay, changed) {
    this.root = root;
    this.overlay = overlay;
    this.changed = changed;
    this.settings = neutralLook();
    this.key = "";
    this.photo = root.querySelector(".fsc-photo");
    this.panel = root.querySelector(".fsc-look");
    this.filter = this.makeFilter();
    this.panel.addEventListener("input", (e) => this.set(e.target.name, Number(e.target.value)));
    this.panel.querySelector("button").addEventListener("click", () => this.reset());
  }

  makeFilter() {
    const id = "fsc-look-" + Math.random().toString(36).slice(2), holder = document.createElement("div");
    holder.innerHTML = '<svg width="0" height="0" style="position:absolute" aria-hidden="true"><filter id="' + id +
      '" color-interpolation-filters="sRGB"><feComponentTransfer>' +
      ["R", "G", "B"].map((c) => "<feFunc" + c + ' type="table"/>').join("") + "</feComponentTransfer></filter></svg>";
    this.root.append(holder.firstChild);
    return { id, curves: [...this.root.querySelectorAll("#" + id + " feComponentTransfer > *")] };
  }

  // The look of another project.
  open(project) {
    const key = "flawsmith.look." + (project || "");
    if (key === this.key) return;
    this.key = key;
    let kept = {};
    try { kept = JSON.parse(localStorage.getItem(key)) || {}; } catch { /* not ours: begin with the neutral look */ }
    for (const name of Object.keys(CONTROLS)) this.settings[name] = checkedValue(name, kept[name]);
    this.show();
  }

  set(name, value) {
    if (!CONTROLS[name]) return;
    this.settings[name] = checkedValue(name, value);
    localStorage.setItem(this.key, JSON.stringify(this.settings));
    this.show();
  }

  step(name, up) { this.set(name, this.settings[name] + (up ? 1 : -1) * CONTROLS[name].step); }

  reset() {
    this.settings = neutralLook();
    localStorage.removeItem(this.key);
    this.show();
  }

  show() {
    const { settings } = this, { brightness, contrast, gamma, opacity } = settings;
    const plain = !brightness && !contrast && gamma === 1, curve = lookCurve(settings).map((v) => v.toFixed(4)).join(" ");
    for (const func of this.filter.curves) func.setAttribute("tableValues", curve);
    this.photo.style.filter = plain ? "" : "url(#" + this.filter.id + ")";
    for (const input of this.panel.querySelectorAll("input")) {
      input.value = String(settings[input.name]);
      const text = settings[input.name] + CONTROLS[input.name].unit;
      input.setAttribute("aria-valuetext", text);
      input.parentElement.querySelector("output").textContent = text;
    }
    this.root.classList.toggle("fsc-looking", !plain || opacity !== 100);
    this.overlay.setOpacity(opacity / 100);
    this.changed();
  }
}
