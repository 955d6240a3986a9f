// Asks every few seconds whether verdicts came from elsewhere, while the window is seen and somebody was at it lately:
// "verdicts_changed" to Python, "flawsmith-verdicts" to the page.

const EVERY_MS = 2500;
const LATELY_MS = 10 * 60 * 1000;

// Whether to ask now: `hidden`, and how long ago something was pressed.
export const wanted = (hidden, idleMs) => !hidden && idleMs < LATELY_MS;

export function start({ element, trigger, server }) {
  let seen = null, ticket = "", at = Date.now(), asking = false;
  for (const sign of ["pointerdown", "pointermove", "keydown", "focus"]) {
    window.addEventListener(sign, () => { at = Date.now(); }, { passive: true, capture: true });
  }
  const ask = async () => {
    const sid = sessionStorage.getItem("flawsmith-ticket") || "";
    if (!element.isConnected) { clearInterval(timer); return; }
    if (asking || !sid || !wanted(document.hidden, Date.now() - at)) return;
    asking = true;
    try {
      const { revision } = await server.pulse({ sid });
      const news = seen !== null && ticket === sid && revision && revision !== seen;
      [seen, ticket] = [revision || null, sid];
      if (!news) return;
      document.dispatchEvent(new CustomEvent("flawsmith-verdicts"));
      trigger("verdicts_changed", {});
    } catch {
      // The server is away for a while; the page's own requests say so.
    } finally {
      asking = false;
    }
  };
  const timer = setInterval(ask, EVERY_MS);
}
