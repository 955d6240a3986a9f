import assert from "node:assert/strict";
import { test } from "node:test";
import { Chips } from "../../app/tabs/studio/chips.js";

globalThis.document = { activeElement: null, body: null };

function editor() {
  const listeners = {}, told = [];
  const box = (value) => ({ value, isConnected: true, dataset: { title: "", key: "title" }, matches: (what) => what.startsWith("input") });
  const element = {
    boxes: [box("")], addEventListener: (type, run) => { listeners[type] = run; },
    querySelectorAll: (what) => (what === "input[data-key]" ? element.boxes : []),
  };
  const chips = new Chips(element, (name, sent) => told.push([name, sent.title]));
  const type = (text) => { element.boxes[0].value = text; listeners.input({ target: element.boxes[0] }); };
  const leave = async (changed) => {
    const target = element.boxes[0];
    if (changed) listeners.change({ target });
    listeners.focusout({ target });
    await null;
  };
  const draw = async (value) => { // some browsers tell a field that it lost the focus when it goes
    const gone = element.boxes[0];
    listeners.focusout({ target: gone });
    gone.isConnected = false;
    element.boxes = [box(value)];
    await null;
    chips.redrawn();
  };
  return { element, told, type, leave, draw };
}

test("a title that is being typed outlives chips that are drawn anew", async () => {
  const { element, told, type, leave, draw } = editor();
  type("a fastener tray");
  await draw("");
  assert.equal(element.boxes[0].value, "a fastener tray");
  await leave(false);
  assert.deepEqual(told, [["chip_titled", "a fastener tray"]]);
  await draw("something else");
  assert.equal(element.boxes[0].value, "something else", "what was told is the server's again");
});

test("a title is told once", async () => {
  const { told, type, leave } = editor();
  type("a plate");
  await leave(true);
  await leave(false);
  assert.deepEqual(told, [["chip_titled", "a plate"]]);
});
