// The value from Python: photo, mask and regions; and masks imported from a picture.

async function importMask(file) {
  if (!S.ready || S.readonly) return;
  try {
    const { width, height } = S.value, runs = await pictureRuns(file, width, height), area = runsArea(runs);
    if (!area) { note("The mask in " + file.name + " is empty: no pixel in it is brighter than black.", true); return; }
    tools.join(runs, false);
    note("Mask from " + file.name + ": " + digits(area) + " px.", false);
  } catch (error) {
    note(error.message, true);
  }
}

// A mask picture (any channel above 0 counts; where all is black, the alpha) as run lengths.
async function pictureRuns(blob, width, height) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  } catch (error) {
    throw new Error("This file is not a picture that the browser can read. Use a PNG mask.");
  }
  const { width: w, height: h } = bitmap;
  if (w !== width || h !== height) throw new Error("The mask is " + w + "x" + h + ", the photo " + width + "x" + height + ". Use a mask drawn on this photo.");
  const c = makeCanvas(w, h), g = c.getContext("2d", { willReadFrequently: true });
  g.drawImage(bitmap, 0, 0);
  const d = g.getImageData(0, 0, w, h).data, bits = new Uint8Array(w * h);
  let some = false;
  for (let i = 0, o = 0; o < bits.length; i += 4, o++) if (d[i + 3] && (d[i] || d[i + 1] || d[i + 2])) { bits[o] = 1; some = true; }
  let clear = false;
  if (!some) for (let i = 3; i < d.length && !clear; i += 4) clear = d[i] < 255;
  if (clear) for (let i = 3, o = 0; o < bits.length; i += 4, o++) bits[o] = d[i] ? 1 : 0;
  return encodeRuns(bits, 0, bits.length);
}

async function regionRuns(region, width, height) {
  if (region.rle) return region.rle;
  const answer = await fetch(region.url);
  if (!answer.ok) throw new Error("The region " + region.name + " could not be loaded.");
  return pictureRuns(await answer.blob(), width, height);
}

let regionsShown = "[]";
async function takeRegions(value, mine) {
  const key = value.image_id + JSON.stringify(value.regions || []);
  if (key === regionsShown) return;
  const list = [];
  for (const region of value.regions || []) {
    const runs = await regionRuns(region, value.width, value.height);
    const box = runsSum(runs) === value.width * value.height ? runsBox(runs, value.width) : null;
    if (box) list.push({ name: region.name, color: region.color, runs, box, area: runsArea(runs) });
  }
  if (mine !== loading) return;
  regionsShown = key;
  mover.forget();
  S.regions = list.sort((a, b) => b.area - a.area);
  overlay.setRegions(S.regions, value.width, value.height);
  editor.everything();
}

function loadImage(url) {
  return new Promise((done, fail) => {
    const image = new Image();
    image.onload = () => image.decode().then(() => done(image), fail);
    image.onerror = () => fail(new Error("The photo could not be loaded. Choose it again or reload the page."));
    image.src = url;
  });
}

let loading = 0;
async function take(value) {
  const mine = ++loading;
  if (!value || !value.url) { shut(); return; }
  if (value.v !== 1) { note("This page is older than the program. Reload the page.", true); return; }
  tools.cancel();
  const same = S.ready && S.value.image_id === value.image_id && S.value.url === value.url && S.value.sid === value.sid;
  try {
    if (same) S.value = value;
    else if (!(await open(value, mine))) return;
    S.readonly = !!value.readonly;
    root.classList.toggle("fsc-readonly", S.readonly);
    if (value.segmenter && !S.prompt) { S.segmenter = value.segmenter; showSegmenter({}); }
    if (same && value.mask_rle) takeMask(value.mask_rle);
    await takeRegions(value, mine);
    showArea();
  } catch (error) {
    if (mine === loading) note(error.message, true);
  }
}

function shut() {
  sync.leave();
  prompter.drop();
  S.ready = false;
  S.value = S.image = null;
  editor.grid = null;
  view.setPhoto(null, 0, 0);
  root.classList.remove("fsc-open");
  overlay.clear();
  editor.everything();
}

async function open(value, mine) {
  sync.leave();
  prompter.drop();
  mover.forget();
  S.ready = false;
  const image = await loadImage(value.url);
  if (mine !== loading) return false;
  const { width, height } = value;
  if (image.naturalWidth !== width || image.naturalHeight !== height) {
    throw new Error("The photo is " + image.naturalWidth + "x" + image.naturalHeight + ", not " + width + "x" + height + ". Import it again.");
  }
  S.value = value;
  S.image = image;
  S.regions = [];
  overlay.labels = null;
  regionsShown = "";
  editor.reset(width, height);
  view.setPhoto(image, width, height);
  view.fitted = true;
  if (!view.resize() && view.width) view.fit();
  if (!S.sized) setSize(Math.max(8, Math.max(width, height) / 50));
  if (value.mask_rle && runsSum(value.mask_rle) === width * height) editor.grid.assign(value.mask_rle);
  root.classList.add("fsc-open");
  note("");
  S.ready = true;
  showSaved("saved");
  viewed();
  return true;
}

// A mask from Python on the open photo: one step of undo; the server has it already.
function takeMask(runs) {
  const { grid, history } = editor;
  if (runsSum(runs) !== grid.w * grid.h) { note("The mask does not fit this photo. Reload the page.", true); return; }
  if (S.pending) prompter.drop();
  const before = S.prompt;
  S.prompt = null;
  grid.begin();
  const rect = grid.assign(runs);
  history.commit(before, null);
  editor.repaint(rect);
  editor.marks();
  showSegmenter({});
  // A stroke that is on its way to the server would be newer there than this mask.
  if (sync.pending || sync.running) sync.changed();
}
