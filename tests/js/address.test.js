import assert from "node:assert/strict";
import { test } from "node:test";
import { Address, addressOf, placeOf } from "../../assets/js/address.js";

function page(project, tab, hash = "") {
  const pushed = [], tabs = ["Studio", "Review"].map((text) => ({ dataset: { tabId: text.toLowerCase() }, textContent: text, click() { pushed.push("click " + text); } }));
  const document = {
    querySelector: (what) => what.includes("data-folder") ? { dataset: { folder: project } } : tabs.find((one) => one.textContent.trim() === tab),
    querySelectorAll: () => tabs,
  };
  const win = {
    document, clock: 100, location: { hash, reload() { pushed.push("reload"); } },
    history: { replaceState: (a, b, to) => { pushed.push("replace " + to); win.location.hash = to; }, pushState: (a, b, to) => { pushed.push("push " + to); win.location.hash = to; } },
    performance: { now: () => win.clock },
  };
  return { win, pushed, address: new Address(win), show: (name) => { tab = name; } };
}

test("an address names project and tab, whatever the folder is called", () => {
  assert.deepEqual(placeOf(addressOf("Käppchen #2/a", "studio")), { project: "Käppchen #2/a", tab: "studio" });
  for (const none of ["", "#", "#/a", "#/%/studio", "#/a/b/c"]) assert.equal(placeOf(none), null);
});

test("what the page opens with is no step back; each tab after that is", () => {
  const { win, pushed, address, show } = page("cap", "Studio");
  address.follow();
  address.follow();
  win.clock = 9000;
  show("Review");
  address.follow();
  assert.deepEqual(pushed, ["replace #/cap/studio", "push #/cap/review"]);
});

test("Back chooses the tab, or loads the other project", () => {
  const there = page("cap", "Review", "#/cap/studio");
  there.address.back();
  assert.deepEqual(there.pushed, ["click Studio"]);
  const other = page("cap", "Review", "#/tray/review");
  other.address.back();
  assert.deepEqual(other.pushed, ["reload"]);
});
