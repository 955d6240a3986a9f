// Calls of the server's functions.

let lastSeq = Date.now(); // grows beyond a reload, so that the server can tell old from new

export function nextSeq() {
  lastSeq = Math.max(lastSeq + 1, Date.now());
  return lastSeq;
}

// ask(name, data) calls a server function; an error becomes {ok: false, error}, `final` where asking again is no use.
export function asking(server) {
  return async (name, data) => {
    if (!server[name]) return { ok: false, final: true, error: "This page cannot " + name + ": no handler was given." };
    try {
      const reply = await server[name](data);
      if (reply && typeof reply === "object") return { ok: true, final: true, ...reply };
    } catch {
      return { ok: false, error: "The server does not answer. Check that Flawsmith is still running." };
    }
    return { ok: false, error: "The server gave no answer. Reload the page." };
  };
}
