// Beside the verdict: a star, another label, a note. A field is sent when it is left or Enter is pressed.

export class Remarks {
  // board: see board.js; `place` is the row of the star and the fields.
  constructor(board, place) {
    this.board = board;
    this.button = place.querySelector("[data-star]");
    this.fields = Object.fromEntries([...place.querySelectorAll("[data-remark]")].map((field) => [field.dataset.remark, field]));
    this.known = place.querySelector("datalist");
    for (const [name, field] of Object.entries(this.fields)) {
      field.addEventListener("change", () => this.write(name, field.value));
      field.addEventListener("keydown", (event) => {
        if (event.key === "Escape") { this.show(this.shown, []); field.blur(); }
        if (event.key === "Enter") field.blur();
      });
    }
  }

  // rows: those of the page, whose labels are offered.
  show(sample, rows) {
    this.shown = sample;
    if (!sample) return;
    this.button.firstChild.textContent = sample.favourite ? "★ " : "☆ ";
    this.button.setAttribute("aria-pressed", String(Boolean(sample.favourite)));
    for (const [name, field] of Object.entries(this.fields)) {
      if (field !== document.activeElement || !rows.length) field.value = sample[name];
    }
    const labels = [...new Set(rows.map((row) => row.label))].sort();
    if (labels.length) this.known.replaceChildren(...labels.map((value) => Object.assign(document.createElement("option"), { value })));
  }

  focus(name) { this.fields[name].focus(); this.fields[name].select(); }

  async star() {
    const { selection, requests, tiles } = this.board, ids = selection.judged, on = !(selection.current && selection.current.favourite);
    if (!ids.length) return;
    tiles.remark(ids, { favourite: on });
    this.board.chosen();
    if (!(await requests.ask("star", { ids, on }))) this.board.look();
  }

  // A label is for all that are chosen, a note for the one that is shown.
  async write(name, value) {
    const { selection, requests, tiles } = this.board, sample = this.shown;
    const ids = name === "label" ? selection.judged : sample ? [sample.id] : [];
    if (!ids.length || (ids.length === 1 && value.trim() === sample[name])) return;
    const reply = await requests.ask(name === "label" ? "relabel" : "note", { ids, [name]: value });
    if (!reply) { this.fields[name].value = sample[name]; return; }
    tiles.remark(ids, { [name]: reply[name] ?? value.trim() });
    this.board.chosen();
    this.board.say(name === "label" ? (ids.length > 1 ? ids.length + " are " : "It is ") + "called " + reply.label + " now" : "Noted");
    if (name === "label") this.board.judged();
  }
}
