// Pictures to photos and masks.

import { blankCanvas } from "./move.js";
import { encodeRuns } from "./runs.js";

// What of an RGBA picture (uint8, 4 bytes a pixel) is mask, a byte (0 or 1) a pixel: any channel above 0 counts;
// where all is black, the alpha.
export function maskBits(rgba) {
  const bits = new Uint8Array(rgba.length / 4);
  let some = false, clear = false;
  for (let i = 0, o = 0; o < bits.length; i += 4, o++) {
    if (rgba[i + 3] < 255) clear = true;
    if (rgba[i + 3] && (rgba[i] || rgba[i + 1] || rgba[i + 2])) { bits[o] = 1; some = true; }
  }
  if (!some && clear) for (let i = 3, o = 0; o < bits.length; i += 4, o++) bits[o] = rgba[i] ? 1 : 0;
  return bits;
}

// A mask picture as run lengths. Rejects one of another size than the photo's.
export async function pictureRuns(blob, width, height) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  } catch {
    throw new Error("This file is not a picture that the browser can read. Use a PNG mask.");
  }
  const { width: w, height: h } = bitmap;
  if (w !== width || h !== height) throw new Error("The mask is " + w + "x" + h + ", the photo " + width + "x" + height + ". Use a mask drawn on this photo.");
  const g = blankCanvas(w, h).getContext("2d", { willReadFrequently: true });
  g.drawImage(bitmap, 0, 0);
  const bits = maskBits(g.getImageData(0, 0, w, h).data);
  return encodeRuns(bits, 0, bits.length);
}

export function loadImage(url) {
  return new Promise((done, fail) => {
    const image = new Image();
    image.onload = () => image.decode().then(() => done(image), fail);
    image.onerror = () => fail(new Error("The photo could not be loaded. Choose it again or reload the page."));
    image.src = url;
  });
}
