// Groups of defects. A defect is chosen by a click or Space and dragged onto another group; a whole group is dragged by
// its head. Told: "group_merged" {from, to}, "group_moved" {members, to}, "group_parted" {members},
// "group_split" {name}, "group_renamed" {old, name}, "group_shown" {label}, "group_asked" {anew}, "group_undone".

import { labelName } from "../../components/label_name.js";
import { renameInPlace } from "../../components/rename_in_place.js";

class Groups {
  constructor(element, trigger) {
    this.element = element;
    this.trigger = trigger;
    this.held = null; // what is dragged: {from, members}, or a whole group without members
    element.addEventListener("click", (event) => this.click(event));
    element.addEventListener("dblclick", (event) => {
      if (event.target.matches("h4 b")) this.rename(event.target.closest("[data-group]"));
    });
    element.addEventListener("change", (event) => this.choose(event));
    element.addEventListener("keydown", (event) => this.key(event));
    element.addEventListener("dragstart", (event) => this.lift(event));
    element.addEventListener("dragover", (event) => this.over(event));
    element.addEventListener("drop", (event) => this.drop(event));
    element.addEventListener("dragend", () => this.letGo());
  }

  get tiles() { return [...this.element.querySelectorAll("[data-member]")]; }

  get chosen() {
    return this.tiles.filter((tile) => tile.getAttribute("aria-pressed") === "true").map((tile) => tile.dataset.member);
  }

  count() {
    const bar = this.element.querySelector(".fs-cg-chosen"), n = this.chosen.length;
    if (!bar) return;
    bar.hidden = !n;
    bar.querySelector("b").textContent = n === 1 ? "1 chosen" : n + " chosen";
  }

  press(tile, on = tile.getAttribute("aria-pressed") !== "true") {
    tile.setAttribute("aria-pressed", String(on));
    this.count();
  }

  calm() {
    for (const tile of this.tiles) tile.setAttribute("aria-pressed", "false");
    this.count();
  }

  rename(group) {
    const title = group.querySelector("h4 b"), old = group.dataset.group;
    if (!title) return;
    renameInPlace(title, {
      old,
      maxLength: 64,
      back: group.querySelector("[data-rename]"),
      clean: labelName,
      renamed: (name) => this.trigger("group_renamed", { old, name }),
    });
  }

  click(event) {
    const button = event.target.closest("button"), group = event.target.closest("[data-group]");
    if (!button) return;
    const { dataset } = button;
    if ("member" in dataset) this.press(button);
    if ("split" in dataset) this.trigger("group_split", { name: group.dataset.group });
    if ("rename" in dataset) this.rename(group);
    if ("part" in dataset) this.trigger("group_parted", { members: this.chosen });
    if ("calm" in dataset) this.calm();
    if ("undo" in dataset) this.trigger("group_undone", {});
    if ("label" in dataset) this.trigger("group_shown", { label: dataset.label });
    if ("ask" in dataset) this.trigger("group_asked", { anew: dataset.ask === "anew" });
  }

  // A list of groups to choose from is the way of the keyboard.
  choose(event) {
    const { dataset, value } = event.target;
    if (!value) return;
    if ("merge" in dataset) {
      this.trigger("group_merged", { from: event.target.closest("[data-group]").dataset.group, to: value });
    }
    if ("move" in dataset) this.trigger("group_moved", { members: this.chosen, to: value });
    event.target.value = "";
  }

  key(event) {
    const all = this.tiles, at = all.indexOf(document.activeElement);
    if (event.key === "Escape" && this.chosen.length) this.calm();
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (at < 0 || !step) return;
    event.preventDefault();
    event.stopPropagation();
    if (all[at + step]) all[at + step].focus();
  }

  lift(event) {
    const tile = event.target.closest("[data-member]"), head = event.target.closest("header");
    const group = event.target.closest("[data-group]");
    if (!tile && !head) return;
    if (tile && tile.getAttribute("aria-pressed") !== "true") { this.calm(); this.press(tile, true); }
    this.held = { from: group.dataset.group, members: tile ? this.chosen : null };
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", this.held.from);
    this.element.querySelector(".fs-cg").dataset.dragging = tile ? "member" : "group";
  }

  // Where what is dragged may be let go, or null.
  place(event) {
    const place = this.held && event.target.closest("[data-group], [data-part-here]");
    return place && !(place.dataset.group && place.dataset.group === this.held.from) ? place : null;
  }

  unmark() { for (const place of this.element.querySelectorAll("[data-over]")) delete place.dataset.over; }

  over(event) {
    const place = this.place(event);
    this.unmark();
    if (!place) return;
    event.preventDefault();
    place.dataset.over = "1";
  }

  drop(event) {
    const place = this.place(event);
    if (!place) return;
    event.preventDefault();
    const { from, members } = this.held, to = place.dataset.group;
    if (!to && members) this.trigger("group_parted", { members });
    else if (to && members) this.trigger("group_moved", { members, to });
    else if (to) this.trigger("group_merged", { from, to });
  }

  letGo() {
    this.held = null;
    this.unmark();
    const box = this.element.querySelector(".fs-cg");
    if (box) delete box.dataset.dragging;
  }
}

export function start({ element, trigger, watch }) {
  const groups = new Groups(element, trigger);
  watch("value", () => groups.count());
}
