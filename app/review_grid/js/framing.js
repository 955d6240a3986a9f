// Where an image lies in its pane. image: {width, height} in its own pixels; pane: [width, height] in CSS pixels;
// scale: 1 shows the whole image; middle: the image point in the middle of the pane, as shares [0..1, 0..1].

const ROOM = 2.2; // how much of the pane around an anomaly, in its own sizes
const MOST_PIXEL = 24, MOST_FRAMED = 8; // CSS pixels an image pixel: by hand, around an anomaly

const fitted = ({ width, height }, [w, h]) => Math.min(w / width, h / height);

// The image's upper left corner and the size of its pixel, in CSS pixels. Its middle is moved so that no pane is half
// empty: an image that fits is centred, a larger one covers it.
export function placed(image, pane, scale, middle) {
  const pixel = fitted(image, pane) * scale, kept = [...middle];
  const corner = [image.width, image.height].map((pixels, axis) => {
    const room = pane[axis], length = pixels * pixel, half = room / 2 / length;
    if (length <= room) kept[axis] = 0.5;
    else kept[axis] = Math.min(1 - half, Math.max(half, middle[axis]));
    return room / 2 - kept[axis] * length;
  });
  return { corner, pixel, middle: kept };
}

// Scale and middle that show the box [x0, y0, x1, y1] with room around it.
export function zoomedTo([x0, y0, x1, y1], image, pane) {
  const wanted = Math.min(pane[0] / (ROOM * (x1 - x0)), pane[1] / (ROOM * (y1 - y0)), MOST_FRAMED);
  return {
    scale: Math.max(1, wanted / fitted(image, pane)),
    middle: [(x0 + x1) / 2 / image.width, (y0 + y1) / 2 / image.height],
  };
}

// Scale and middle after zooming by `factor`; the image point under [x, y] of the pane stays there.
export function zoomedAt(image, pane, scale, middle, [x, y], factor) {
  const fit = fitted(image, pane), to = Math.min(Math.max(scale * factor, 1), Math.max(1, MOST_PIXEL / fit));
  const off = [(x - pane[0] / 2) / image.width, (y - pane[1] / 2) / image.height];
  return { scale: to, middle: middle.map((share, axis) => share + off[axis] / (fit * scale) - off[axis] / (fit * to)) };
}

// Circles about what gives the edit away, as an SVG path in the sample's pixels.
export function flawsPath({ width, height, flaws }) {
  const r = Math.round(0.035 * Math.max(width, height));
  return flaws.map(({ x, y }) => ["M", x - r, y, "a", r, r, 0, 1, 0, 2 * r, 0, "a", r, r, 0, 1, 0, -2 * r, 0].join(" ")).join(" ");
}
