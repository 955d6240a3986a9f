// A folder dropped on the import field arrives as one zip, so that its sub-folders (labels, masks) are kept.
(() => {
  const MOST_BYTES = 1.5e9;
  const TABLE = new Uint32Array(256).map((_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n;
  });

  function crc32(bytes) {
    let crc = ~0;
    for (let i = 0; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
    return ~crc >>> 0;
  }

  // The fields of a zip header, little-endian: [value, bytes] pairs.
  function packed(fields) {
    const view = new DataView(new ArrayBuffer(fields.reduce((sum, [, size]) => sum + size, 0)));
    let at = 0;
    for (const [value, size] of fields) {
      if (size === 2) view.setUint16(at, value, true); else view.setUint32(at, value, true);
      at += size;
    }
    return view.buffer;
  }

  // Photos are compressed already: they are stored as they are. Names are UTF-8 (flag 0x800), dates 1 January 1980.
  async function zip(files) {
    const parts = [], list = [];
    let offset = 0;
    for (const { name, file } of files) {
      const path = new TextEncoder().encode(name), bytes = new Uint8Array(await file.arrayBuffer());
      const shared = [[20, 2], [0x800, 2], [0, 2], [0, 2], [33, 2], [crc32(bytes), 4], [bytes.length, 4], [bytes.length, 4], [path.length, 2], [0, 2]];
      parts.push(packed([[0x04034b50, 4], ...shared]), path, bytes);
      list.push(packed([[0x02014b50, 4], [20, 2], ...shared, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]]), path);
      offset += 30 + path.length + bytes.length;
    }
    const size = list.reduce((sum, part) => sum + part.byteLength, 0);
    const end = packed([[0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [size, 4], [offset, 4], [0, 2]]);
    return new Blob([...parts, ...list, end], { type: "application/zip" });
  }

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
})();
