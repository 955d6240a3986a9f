// Review: a page of samples, the chosen one beside its photo, verdicts and the way back from them.

import { Compare } from "./compare.js";
import { factsHtml, goodHtml } from "./facts.js";
import { Lineup } from "./lineup.js";
import { Remarks } from "./remarks.js";
import { Requests } from "./requests.js";
import { Taste } from "./taste.js";
import { Tiles } from "./tiles.js";

const PLACE = "flawsmith-review-at";

const verdicts = (count) => count + (count > 1 ? " verdicts" : " verdict");

export class Board {
  // root: the element .fsb; server: functions by name; judged(): the server has new verdicts.
  constructor(root, server, judged) {
    this.root = root;
    this.judged = judged;
    this.filter = null; // verdict of the samples that are shown, or null for all
    this.fetching = 0;
    this.timers = {};
    this.requests = new Requests(server, (reason) => this.say(reason, true));
    this.compare = new Compare(root);
    this.lineup = new Lineup(root, async (sample) => {
      const reply = await this.requests.peek("real", { ids: [sample.id] });
      return reply && reply.examples;
    });
    this.tiles = new Tiles(this.find("grid"), () => this.chosen());
    this.taste = new Taste(root, this.compare, this.lineup);
    this.remarks = new Remarks(this, this.find("remarks"));
    this.find("facts").addEventListener("click", (event) => {
      const button = event.target.closest("[data-check-rules]");
      if (button) this.checkRules(this.selection.current, button);
    });
  }

  get selection() { return this.tiles.selection; }

  find(name) { return this.root.querySelector(".fsb-" + name); }

  say(text, bad) {
    const note = this.find("note");
    note.textContent = text;
    note.dataset.bad = bad ? "1" : "0";
  }

  // A value from Python: another session, filter or project.
  take(value) {
    this.requests.sid = value.sid;
    this.filter = value.verdict || null;
    this.find("why").innerHTML = value.why || "";
    return this.look();
  }

  async look(name = "look", data = {}, where = 0) {
    const mine = ++this.fetching;
    const reply = await this.requests.ask(name, data);
    if (mine !== this.fetching) return;
    if (reply) this.show(reply, where);
    this.fetching = 0;
  }

  // where: -1 begins at the page's last sample.
  show(page, where) {
    const { rows, offset, total } = page, last = offset + rows.length;
    this.root.dataset.state = rows.length ? "full" : "empty";
    this.tiles.fill(rows, page.groups, (ids) => this.best(ids));
    this.find("where").textContent = rows.length ? (offset + 1) + " to " + last + " of " + total : "";
    this.find("back").disabled = offset === 0;
    this.find("forth").disabled = last >= total;
    const before = this.selection.place(sessionStorage.getItem(PLACE));
    this.tiles.go(before >= 0 ? before : where < 0 ? rows.length - 1 : 0);
  }

  chosen() {
    const { current, judged, rows, at } = this.selection, several = judged.length > 1 ? judged.length + " " : "";
    this.compare.show(current);
    this.lineup.show(rows.filter(({ id }) => judged.includes(id)));
    for (const button of this.root.querySelectorAll(".fsb-verdicts [data-verdict]")) {
      button.firstChild.textContent = (button.dataset.verdict === "kept" ? "Keep " : "Discard ") + several;
    }
    this.remarks.show(current, rows);
    if (!current) return;
    sessionStorage.setItem(PLACE, current.id);
    this.facts(current);
    for (const next of rows.slice(at + 1, at + 3)) new Image().src = next.image;
  }

  facts(sample) {
    this.find("facts").innerHTML = factsHtml(sample);
    this.good(sample);
    clearTimeout(this.timers.facts);
    if (sample.near !== undefined && (!sample.compared || sample.good)) return;
    this.timers.facts = setTimeout(() => { this.nearest(sample); this.beside(sample); }, 200);
  }

  good(sample) {
    const place = this.find("good");
    if (place) place.innerHTML = goodHtml(sample.good);
  }

  async beside(sample) {
    if (!sample.compared || sample.good || this.selection.current !== sample) return;
    const reply = await this.requests.peek("beside", { ids: [sample.id] });
    if (!reply) return;
    sample.good = reply.good;
    if (this.selection.current === sample) this.good(sample);
  }

  // What the sample breaks of the product's rules; its parts are looked for, which takes seconds.
  async checkRules(sample, button) {
    Object.assign(button, { disabled: true, textContent: "Looking for the parts …" });
    const reply = await this.requests.peek("rules", { ids: [sample.id] });
    if (!reply) return void Object.assign(button, { disabled: false, textContent: "Not checked; try again" });
    sample.broken = reply.broken;
    if (this.selection.current === sample) this.facts(sample);
  }

  async nearest(sample) {
    if (this.requests.unsent || this.selection.current !== sample) return;
    const reply = await this.requests.peek("about", { ids: [sample.id] });
    if (!reply) return;
    sample.near = reply.near === 1 ? "none kept" : reply.near.toFixed(2);
    const cell = this.find("near");
    if (cell && this.selection.current === sample) cell.textContent = sample.near;
  }

  judge(verdict) {
    const { judged: ids, rows } = this.selection;
    if (!ids.length || this.fetching) return;
    this.tiles.say(ids, verdict);
    this.stored(this.requests.ask("judge", { ids, verdict }));
    this.say(ids.length > 1 ? ids.length + " samples " + verdict : "");
    const after = Math.max(...ids.map((id) => this.selection.place(id))) + 1;
    if (after < rows.length) this.tiles.go(after);
    else if (!this.find("forth").disabled) this.turn(1);
    else { this.tiles.go(rows.length - 1); this.say("That was the last one of this filter."); }
  }

  // Verdicts that the server refused must not stay on the screen.
  async stored(answer) {
    const reply = await answer;
    if (!reply) { this.look(); return; }
    // What others said is told with the answer to one's own verdict.
    for (const [id, said] of Object.entries(reply.rows || {})) this.tiles.remark([id], said);
    for (const row of this.tiles.rows) delete row.near;
    clearTimeout(this.timers.stored);
    this.timers.stored = setTimeout(this.judged, 250);
  }

  // what: "undo" or "redo".
  async again(what) {
    const answer = this.requests.ask(what, {}), done = what === "undo" ? "Took back: " : "Did again: ";
    this.stored(answer);
    const reply = await answer;
    if (!reply) return;
    if (!reply.count) { this.say("Nothing to " + what + "."); return; }
    const ids = Object.keys(reply.verdicts), here = ids.filter((id) => this.selection.place(id) >= 0);
    for (const id of here) this.tiles.say([id], reply.verdicts[id]);
    if (here.length) this.tiles.go(this.selection.place(here[0]));
    else {
      if (ids.length) sessionStorage.setItem(PLACE, ids[0]);
      await this.look();
    }
    this.say(done + verdicts(reply.count));
  }

  // Another window gave verdicts: what is shown here says so, and what is chosen stays chosen.
  async refresh() {
    const ids = this.tiles.rows.map(({ id }) => id);
    if (!ids.length) { if (this.requests.sid && this.root.offsetParent) this.look(); return; }
    if (this.requests.unsent || this.fetching || !this.root.offsetParent) return;
    const reply = await this.requests.peek("verdicts", { ids });
    if (!reply || this.requests.unsent) return;
    for (const [id, said] of Object.entries(reply.rows)) this.tiles.remark([id], said);
    this.chosen();
  }

  async best(ids) {
    const answer = this.requests.ask("best", { ids });
    this.stored(answer);
    const reply = await answer;
    if (!reply) return;
    for (const id of ids) this.tiles.say([id], reply.verdicts[id]);
    const kept = this.tiles.rows.findIndex((row) => reply.verdicts[row.id] === "kept");
    this.tiles.go(kept >= 0 ? kept : this.selection.at);
    this.say("Kept the best of " + ids.length);
  }

  // Judged samples leave a filter of new ones, so the next page begins after those that stay.
  turn(step) {
    if (this.fetching || this.find(step > 0 ? "forth" : "back").disabled) return;
    const left = this.tiles.rows.filter((row) => !this.filter || row.verdict === this.filter).length;
    sessionStorage.removeItem(PLACE);
    this.look("turn", { step, left }, step);
  }

  step(by) {
    const to = this.selection.at + by;
    if (to >= 0 && to < this.tiles.rows.length) this.tiles.go(to);
    else if (Math.abs(by) === 1) this.turn(by);
  }
}
