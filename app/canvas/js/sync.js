// Getting the mask to the server: a little after each change, one message at a time, always the newest.

const SAVE_DELAY = 150, RETRY_DELAY = 3000;

export class Sync {
  // ask: see server.js; message(): the put_mask request for the mask as it is now, or null; show(state), saved(reply): news.
  constructor(ask, message, show, saved) {
    this.ask = ask;
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
        const reply = await this.ask("put_mask", data);
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
    return data ? this.ask("put_mask", data) : null;
  }
}
