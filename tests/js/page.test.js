import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { confirmed } from "../../app/components/confirm.js";
import { labelName } from "../../app/components/label_name.js";
import { crc32, zip } from "../../assets/js/zip.js";

test("the checksum is that of the standard", () => {
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
});

test("a zip opens elsewhere, with its folders and names", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "zip-")), path = join(folder, "a.zip");
  t.after(() => rmSync(folder, { recursive: true }));
  const files = [{ name: "bad/crack/ä 1.png", file: new Blob(["one"]) }, { name: "good/2.png", file: new Blob([]) }];
  writeFileSync(path, Buffer.from(await (await zip(files)).arrayBuffer()));
  const code = "import sys, zipfile, json; z = zipfile.ZipFile(sys.argv[1]); print(json.dumps([z.testzip(), {n: z.read(n).decode() for n in z.namelist()}]))";
  assert.deepEqual(JSON.parse(execFileSync("python3", ["-c", code, path])), [null, { "bad/crack/ä 1.png": "one", "good/2.png": "" }]);
});

test("labels and groups are called in lower case, words joined", () => {
  assert.equal(labelName("  Deep - Scratch "), "deep_scratch");
});

test("what cannot be undone is pressed twice, and soon", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const button = { dataset: {}, innerHTML: "<b>Delete</b>", set textContent(text) { this.innerHTML = text; } };
  assert.equal(confirmed(button), false);
  assert.equal(button.innerHTML, "Really?");
  assert.equal(confirmed(button), true);
  t.mock.timers.tick(4000);
  assert.equal(button.innerHTML, "<b>Delete</b>");
  assert.equal(confirmed(button), false);
});
