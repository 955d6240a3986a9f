// Getting the mask to the server: a little after each change, one message at a time, always the newest.

const SAVE_DELAY = 150, RETRY_DELAY = 3000;

let lastSeq = Date.now(); // grows beyond a reload, so that the server can tell old from new

function nextSeq() {
  lastSeq = Math.max(lastSeq + 1, Date.now());
  return lastSeq;
}

// Call a server function; an error becomes {ok: false, error}.
async function ask(name, data) {
  if (!server[name]) return { ok: false, final: true, error: "This page cannot " + name + ": no handler was given." };
  try {
    const reply = await server[name](data);
    if (reply && typeof reply === "object") return { ok: true, final: true, ...reply };
  } catch (error) {
    return { ok: false, error: "The server does not answer. Check that Flawsmith is still running." };
  }
  return { ok: false, error: "The server gave no answer. Reload the page." };
}

class Sync {
  // message(): the put_mask request for the mask as it is now, or null; show(state), saved(reply): news.
  constructor(message, show, saved) {
    this.message = message;
    this.show = show;
    this.saved = saved;
    this.rev = 0;
    this.acked = 0;
    this.running = null;
    this.timer = 0;
  }

  get pending() { return this.acked < this.rev; }

  changed() {
    this.rev++;
    this.show("saving");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush().catch(() => {}), SAVE_DELAY);
  }

  // Resolves when the server has the newest mask; rejects with its reason.
  flush() {
    clearTimeout(this.timer);
    if (!this.running) this.running = this.pump();
    return this.running;
  }

  async pump() {
    await null; // so that `running` is set before pump can end
    try {
      while (this.pending) {
        const rev = this.rev, data = this.message();
        if (!data) { this.acked = rev; break; }
        const reply = await ask("put_mask", data);
        if (!reply.ok) {
          this.show("failed", reply.error);
          if (!reply.final) this.timer = setTimeout(() => this.flush().catch(() => {}), RETRY_DELAY);
          throw new Error(reply.error);
        }
        this.acked = Math.max(this.acked, rev);
        this.saved(reply);
      }
      this.show("saved");
    } finally {
      this.running = null;
    }
  }

  // The photo changes: send what is not yet there in its old name, then start anew.
  leave() {
    const data = this.pending && this.message();
    clearTimeout(this.timer);
    this.acked = this.rev;
    return data ? ask("put_mask", data) : null;
  }
}
