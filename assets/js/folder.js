// A folder dropped on the import field arrives as one zip, so that its sub-folders (labels, masks) are kept.

import { zip } from "./zip.js";

const MOST_BYTES = 1.5e9;

async function walk(entry, prefix) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    return entry.name.startsWith(".") ? [] : [{ name: prefix + entry.name, file }];
  }
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) break;
    for (const one of some) found.push(...await walk(one, prefix + entry.name + "/"));
  }
  return found;
}

function refuse(text) {
  const place = document.querySelector("#fs-import-report .prose, #fs-import-report");
  const line = document.createElement("p");
  line.className = "fs-warn";
  line.textContent = text;
  place.replaceChildren(line);
}

async function take(entries) {
  const files = [];
  for (const entry of entries) files.push(...await walk(entry, ""));
  const size = files.reduce((sum, { file }) => sum + file.size, 0);
  if (!files.length) return refuse("This folder is empty.");
  if (size > MOST_BYTES || files.length > 65000) return refuse("This folder is too large to send from the browser: give its path below, or drop a zip.");
  const given = new DataTransfer();
  given.items.add(new File([await zip(files)], entries[0].name + ".zip", { type: "application/zip" }));
  const input = document.querySelector("#fs-drop input[type=file]");
  if (!input) return refuse("Remove the files chosen above first.");
  input.files = given.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

document.addEventListener("drop", (event) => {
  if (!event.target.closest || !event.target.closest("#fs-drop")) return;
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return;
  event.preventDefault();
  event.stopPropagation();
  take(entries).catch(() => refuse("This folder could not be read: give its path below, or drop a zip."));
}, true);
