// Recent calls, kept on this device only, per extension.

const KEEP = 60;

export class Recents {
  #key;
  #items;

  constructor(extension) {
    this.#key = `recents:${extension}`;
    try {
      this.#items = JSON.parse(localStorage.getItem(this.#key)) ?? [];
    } catch {
      this.#items = [];
    }
  }

  get items() { return this.#items; }
  get unseen() { return this.#items.filter((item) => item.missed && !item.seen).length; }

  /** Keeps a call that ended. */
  add(call) {
    const missed = call.direction === 'incoming' && !call.answered && !['rejected', 'busy', 'answered-elsewhere'].includes(call.why.reason);
    this.#items.unshift({
      number: call.peer, name: call.peerName, direction: call.direction, missed, at: call.started,
      seconds: call.answered ? Math.round((Date.now() - call.answered) / 1000) : null, text: call.why.text,
    });
    this.#items.length = Math.min(this.#items.length, KEEP);
    this.#save();
  }

  see() {
    if (this.unseen === 0) return;
    for (const item of this.#items) item.seen = true;
    this.#save();
  }

  clear() {
    this.#items = [];
    this.#save();
  }

  #save() {
    try {
      localStorage.setItem(this.#key, JSON.stringify(this.#items));
    } catch {
      // Full or forbidden: the list lives as long as the page.
    }
  }
}
