// Requests to the server, one after the other, in the order of the keys.

export class Requests {
  // server: functions by name; refused(reason) is told what a request got for an answer.
  constructor(server, refused) {
    this.server = server;
    this.refused = refused;
    this.sid = null; // the session
    this.unsent = 0;
    this.last = Promise.resolve();
  }

  // The reply, or null where it was refused.
  ask(name, data) {
    this.unsent++;
    this.last = this.last.then(() => this.call(name, data)).then((reply) => {
      this.unsent--;
      if (reply && reply.ok) return reply;
      this.refused(reply ? reply.error : "The server does not answer: is Flawsmith still running? Reload the page.");
      return null;
    });
    return this.last;
  }

  // Out of turn, for what nothing depends on: the reply, or null without a word.
  async peek(name, data) {
    const reply = await this.call(name, data);
    return reply && reply.ok ? reply : null;
  }

  async call(name, data) {
    try {
      return await this.server[name]({ sid: this.sid, ...data });
    } catch {
      return null;
    }
  }
}
