import assert from "node:assert/strict";
import { test } from "node:test";
import { placeAfter, roving } from "../../app/canvas/js/roving.js";

function toolbar(role) {
  const document = { activeElement: null, defaultView: { MutationObserver: class { observe() {} } } }, listeners = {}, pressed = [];
  const buttons = ["a", "b", "c", "d"].map((name) => {
    const button = {
      name, disabled: name === "c", hidden: false, tabIndex: 0, getAttribute: () => (name === "b" ? "true" : "false"),
      closest: () => button, click: () => pressed.push(name),
      focus: () => { document.activeElement = button; listeners.focusin({ target: button }); },
    };
    return button;
  });
  const group = {
    ownerDocument: document, querySelectorAll: () => buttons, contains: (one) => buttons.includes(one),
    getAttribute: () => role, addEventListener: (type, run) => { listeners[type] = run; },
  };
  roving(group);
  const key = (name) => listeners.keydown({ key: name, target: document.activeElement || buttons[1], preventDefault() {} });
  const slider = { closest: () => null };
  const onSlider = (name) => { let kept = true; listeners.focusin({ target: slider }); listeners.keydown({ key: name, target: slider, preventDefault() { kept = false; } }); return kept; };
  return { onSlider, stops: () => buttons.filter((b) => b.tabIndex === 0).map((b) => b.name), key, pressed };
}

test("a group is one stop, and arrows pass over what is disabled", () => {
  const { stops, key, pressed } = toolbar("group");
  assert.deepEqual(stops(), ["b"]);
  key("ArrowRight");
  assert.deepEqual(stops(), ["d"]);
  key("ArrowRight");
  assert.deepEqual([stops(), pressed], [["a"], []]);
});

test("in a radio group an arrow chooses", () => {
  const { key, pressed } = toolbar("radiogroup");
  key("ArrowDown");
  key("Home");
  assert.deepEqual(pressed, ["d", "a"]);
});

test("other keys move nothing", () => {
  assert.deepEqual(["Enter", "a", "Tab"].map((key) => placeAfter(key, 0, 3)), [null, null, null]);
  assert.equal(placeAfter("ArrowLeft", 0, 3), 2);
  assert.equal(placeAfter("End", 0, 0), null);
});

test("a slider in the group keeps its arrows", () => {
  const { onSlider, stops } = toolbar("group");
  assert.equal(onSlider("ArrowLeft"), true);
  assert.deepEqual(stops(), ["b"]);
});
