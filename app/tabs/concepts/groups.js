// Groups of defects. A defect is chosen by a click or Space and dragged onto another group; a whole group is dragged by
// its head. Told: "group_merged" {from, to}, "group_moved" {members, to}, "group_parted" {members},
// "group_split" {name}, "group_renamed" {old, name}, "group_shown" {label}, "group_asked" {anew}, "group_undone".
const groups = () => [...element.querySelectorAll("[data-group]")];
const tiles = () => [...element.querySelectorAll("[data-member]")];
const chosen = () => tiles().filter((tile) => tile.getAttribute("aria-pressed") === "true").map((t) => t.dataset.member);
const count = () => {
  const bar = element.querySelector(".fs-cg-chosen"), n = chosen().length;
  if (!bar) return;
  bar.hidden = !n;
  bar.querySelector("b").textContent = n === 1 ? "1 chosen" : n + " chosen";
};
const press = (tile, on) => {
  tile.setAttribute("aria-pressed", String(on === undefined ? tile.getAttribute("aria-pressed") !== "true" : on));
  count();
};
const calm = () => { tiles().forEach((tile) => tile.setAttribute("aria-pressed", "false")); count(); };

const rename = (group) => {
  const title = group.querySelector("h4 b"), box = document.createElement("input"), old = group.dataset.group;
  if (!title) return;
  Object.assign(box, { value: old, maxLength: 64 });
  box.setAttribute("aria-label", "New name of " + old);
  title.replaceWith(box);
  box.focus();
  box.select();
  let closed = false;
  const close = (keep) => {
    if (closed || !box.isConnected) return;
    closed = true;
    const name = box.value.trim().toLowerCase().replace(/[\s-]+/g, "_");
    box.replaceWith(title);
    if (keep && name && name !== old) trigger("group_renamed", { old, name });
    group.querySelector("[data-rename]").focus({ preventScroll: true });
  };
  box.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    close(event.key === "Enter");
  });
  box.addEventListener("blur", () => setTimeout(() => close(true)));
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button"), group = event.target.closest("[data-group]");
  if (!button) return;
  const { dataset } = button;
  if ("member" in dataset) press(button);
  if ("split" in dataset) trigger("group_split", { name: group.dataset.group });
  if ("rename" in dataset) rename(group);
  if ("part" in dataset) trigger("group_parted", { members: chosen() });
  if ("calm" in dataset) calm();
  if ("undo" in dataset) trigger("group_undone", {});
  if ("label" in dataset) trigger("group_shown", { label: dataset.label });
  if ("ask" in dataset) trigger("group_asked", { anew: dataset.ask === "anew" });
});
element.addEventListener("dblclick", (event) => {
  if (event.target.matches("h4 b")) rename(event.target.closest("[data-group]"));
});
// A list of groups to choose from is the way of the keyboard.
element.addEventListener("change", (event) => {
  const { dataset, value } = event.target;
  if (!value) return;
  if ("merge" in dataset) trigger("group_merged", { from: event.target.closest("[data-group]").dataset.group, to: value });
  if ("move" in dataset) trigger("group_moved", { members: chosen(), to: value });
  event.target.value = "";
});
element.addEventListener("keydown", (event) => {
  const all = tiles(), at = all.indexOf(document.activeElement);
  if (event.key === "Escape" && chosen().length) calm();
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (at < 0 || !step) return;
  event.preventDefault();
  event.stopPropagation();
  if (all[at + step]) all[at + step].focus();
});

let held = null;
const over = (event) => held && event.target.closest("[data-group], [data-part-here]");
const unmark = () => element.querySelectorAll("[data-over]").forEach((place) => delete place.dataset.over);
element.addEventListener("dragstart", (event) => {
  const tile = event.target.closest("[data-member]"), head = event.target.closest("header");
  const group = event.target.closest("[data-group]");
  if (!tile && !head) return;
  if (tile) {
    if (tile.getAttribute("aria-pressed") !== "true") { calm(); press(tile, true); }
    held = { members: chosen(), from: group.dataset.group };
  } else held = { from: group.dataset.group };
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", held.from);
  element.querySelector(".fs-cg").dataset.dragging = tile ? "member" : "group";
});
element.addEventListener("dragover", (event) => {
  const place = over(event);
  unmark();
  if (!place || (place.dataset.group && place.dataset.group === held.from)) return;
  event.preventDefault();
  place.dataset.over = "1";
});
element.addEventListener("drop", (event) => {
  const place = over(event), what = held;
  if (!place || (place.dataset.group && place.dataset.group === what.from)) return;
  event.preventDefault();
  const to = place.dataset.group;
  if (!to && what.members) trigger("group_parted", { members: what.members });
  else if (to && what.members) trigger("group_moved", { members: what.members, to });
  else if (to) trigger("group_merged", { from: what.from, to });
});
element.addEventListener("dragend", () => {
  held = null;
  unmark();
  const box = element.querySelector(".fs-cg");
  if (box) delete box.dataset.dragging;
});
watch("value", count);
