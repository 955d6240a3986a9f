// The last of the scripts: everything is defined, begin. And the hook for tests.

new ResizeObserver(() => { if (view.resize()) viewed(); }).observe(stage);
// Light or dark changes the stage's colour.
new MutationObserver(() => { if (S.ready) viewed(); }).observe(document.body, { attributes: true, attributeFilter: ["class"] });

const canvases = (window.flawsmithCanvases = window.flawsmithCanvases || new Set());
canvases.add({ root, flush });
window.flawsmithFlush = () => {
  for (const c of canvases) if (!c.root.isConnected) canvases.delete(c);
  return Promise.all([...canvases].map((c) => c.flush()));
};

// For tests: screen(x, y) is where image point (x, y) lies on the page, saved counts acknowledgements,
// timings are {total, paint} in ms from a click to the frame that shows its mask. For the page: tool(name) takes up a tool,
// putBack() shows the moved region where it was, without an event.
element.__mask = root.__mask = {
  get ready() { return S.ready; },
  get saved() { return S.acks; },
  get busy() { return !!S.pending || !!sync.running || sync.pending; },
  get state() {
    const { tool, mode, size, readonly, polygon, timings } = S, p = S.pending || S.prompt;
    return {
      tool, mode, size, readonly, polygon, timings, points: p ? p.points : [], box: p ? p.box : null, scale: view.scale,
      image_id: S.value && S.value.image_id, sid: S.value && S.value.sid, regions: S.regions.map((r) => r.name), ratio: view.ratio,
      undo: editor.history ? editor.history.past.length : 0, undoBytes: editor.history ? editor.history.bytes : 0,
    };
  },
  count: () => (editor.grid ? editor.grid.area : 0),
  at: (x, y) => editor.grid.bits[y * editor.grid.w + x],
  runs: () => editor.grid.runs(),
  screen: (x, y) => view.toClient(x, y),
  tool: (name) => { if (S.tool !== name) setTool(name); },
  putBack: () => { if (!tools.gesture) mover.forget(); },
  flush,
};

setTool("click");
setMode("add");
setSize(24);
toggle("regions", true);
toggle("fill", true);
watch("value", () => take(props.value));
take(props.value);
