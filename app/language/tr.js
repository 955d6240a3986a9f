// A text of the scripts in the page's language, with {name} replaced by the field of that name.
export function tr(text, fields = {}) {
  const shown = globalThis.flawsmithTexts?.[text] ?? text;
  return shown.replace(/\{(\w+)\}/g, (whole, name) => (name in fields ? fields[name] : whole));
}
