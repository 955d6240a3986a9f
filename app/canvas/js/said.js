// What the page says of a canvas, which it names by the id of an element around it. The page may say it before these
// modules are there, so that it writes it into the window itself.

// What is said of the canvas with this root element; undefined where nothing is.
export function saidOf(root, said) {
  const id = Object.keys(said).find((name) => root.closest("#" + name));
  return id === undefined ? undefined : said[id];
}
