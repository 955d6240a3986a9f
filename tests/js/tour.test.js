import assert from "node:assert/strict";
import { test } from "node:test";
import { STEPS, Tour } from "../../assets/js/tour.js";

function page() {
  const node = () => {
    const one = { children: [], attributes: {}, listeners: {}, text: "" };
    return Object.assign(one, {
      setAttribute: (name, value) => { one.attributes[name] = value; },
      append: (...parts) => one.children.push(...parts),
      after: (box) => { shown.box = box; },
      remove: () => { if (shown.box === one) shown.box = null; },
      addEventListener: (type, run) => { one.listeners[type] = run; },
      querySelector: () => ({ focus() {} }),
      classList: { add() {}, remove() {} },
    });
  };
  const shown = { box: null, opened: [] }, kept = new Map(), head = node();
  const document = { body: node(), createElement: node, querySelector: (what) => (what === ".fs-head" ? head : node()), querySelectorAll: () => [] };
  const store = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  const tour = new Tour(document, store, (name) => shown.opened.push(name));
  const press = (words) => shown.box.children.find((part) => part.textContent === words).listeners.click();
  return { tour, shown, press, again: () => new Tour(document, store, () => {}) };
}

test("the tour is offered once, and turned down for good", () => {
  const { tour, shown, press, again } = page();
  tour.offer();
  press("No, thanks");
  assert.equal(shown.box, null);
  again().offer();
  assert.equal(shown.box, null);
  assert.deepEqual(shown.opened, []);
});

test("it walks through its tabs and ends where it began", () => {
  const { tour, shown, press } = page();
  tour.offer();
  press("Take the tour");
  for (let step = 1; step < STEPS.length; step++) press("Next");
  press("Back");
  press("Next");
  press("Done");
  const names = STEPS.map(([name]) => name);
  assert.deepEqual(shown.opened, [...names, names.at(-2), names.at(-1), names[0]]);
  assert.equal(shown.box, null);
});
