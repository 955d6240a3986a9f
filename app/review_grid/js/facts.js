// What is known of a sample, as HTML.

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

export const escaped = (text) => String(text).replace(/[&<>"']/g, (sign) => ENTITIES[sign]);

export function factsHtml(sample) {
  const cells = sample.scores.map(([title, value, lower]) => "<div><dt>" + escaped(title) + (lower ? " <i>lower is better</i>" : "") + "</dt><dd>" + escaped(value) + "</dd></div>");
  cells.push("<div><dt>believability</dt><dd>" + sample.believable.toFixed(2) + "</dd></div>");
  cells.push("<div title='0 is the same anomaly, 1 is nothing like it'><dt>nearest kept</dt><dd class='fsb-near'>" + (sample.near ?? "…") + "</dd></div>");
  const lines = [sample.edit, sample.reason, ...(sample.others || [])].filter(Boolean).map((line) => "<p class='fsb-reason'>" + escaped(line) + "</p>");
  return "<p><b>" + escaped(sample.label) + "</b> <span class='fsb-verdict' data-verdict='" + sample.verdict + "'>" + sample.verdict +
    "</span> <span class='fs-quiet'>" + escaped(sample.engine) + " on " + escaped(sample.photo) + ", seed " + escaped(sample.seed) +
    "</span></p>" + lines.join("") + flawsHtml(sample) + copyHtml(sample) + rulesHtml(sample) + "<dl>" + cells.join("") + "</dl>" + (sample.compared ? "<div class='fsb-good'></div>" : "");
}

// What gives the edit away; where it is worst is marked on the picture.
function flawsHtml({ flaws }) {
  return flaws.map(({ reason, x, y }) => "<p class='fsb-flawed'>" + escaped(reason) + " <span class='fs-quiet'>worst at x " + x + ", y " + y + "</span></p>").join("");
}

// What it breaks of the product's rules: `broken` in words once it was checked, `rules` how many by an earlier check.
export function rulesHtml({ ruled, rules, broken }) {
  if (!ruled) return "";
  const number = broken ? broken.length : rules;
  const known = typeof number === "number";
  const said = !known ? "" : number === 0 ? "Breaks no rule of the product" : broken ? "Breaks: " + broken.map(escaped).join("; ") : "Breaks " + number + (number === 1 ? " rule" : " rules");
  return "<p class='fsb-rules'" + (number === 0 ? " data-level='none'" : "") + ">" + said + (broken ? "" : " <button type='button' data-check-rules>Check by the rules</button>") + "</p>";
}

// Is it a real example over again?
function copyHtml(sample) {
  if (!sample.copy) return "";
  const [words, number, level] = sample.copy;
  return "<p class='fsb-copy' data-level='" + level + "'>" + escaped(words) + " <span class='fs-quiet'>nearest one " + escaped(number) + "</span></p>";
}

// The good part that is most like it, where the engine may have redrawn the photo; undefined while it is looked for.
export function goodHtml(seen) {
  if (!seen) return "<span class='fs-quiet'>Looking for the good part most like it …</span>";
  if (!seen.name) return "<span class='fs-quiet'>There is no other good part to compare it with.</span>";
  const own = seen.own === null ? "" : "; its own photo " + seen.own.toFixed(2);
  return "<img src='" + escaped(seen.picture) + "' alt='The good part most like it'><span>Nearest " + (seen.own === null ? "" : "other ") + "good part <b>" +
    escaped(seen.name) + "</b><br><span class='fs-quiet' title='0 is the same picture, 6 the farthest (ComGEN, eq. 6)'>distance " + seen.d.toFixed(2) + " of 6" + own + "</span></span>";
}
