// The rows of one channel, in the order of their sequence numbers, each once.
//
// 1. A row without a number, an answer of the server's to this person alone, stands after what came before it.
// 2. No more than `MOST` rows are kept: the oldest go first, and are read from the server again if anybody scrolls there.

// The most rows of a channel that are in memory, and how many go at once when there are more.
export const MOST = 12_000;
const AT_ONCE = 2_000;

export class Timeline {
  constructor() {
    this.rows = [];
    this.numbers = new Map();
  }

  get(seq) {
    return this.numbers.get(seq);
  }

  // The number of the oldest message, or undefined.
  get oldest() {
    return this.rows.find((row) => row.seq)?.seq;
  }

  // Add rows, oldest first. Returns what is new, as {where, rows}: "end", "start", or "all" if everything has to be drawn anew.
  add(rows) {
    const fresh = rows.filter((row) => !row.seq || !this.numbers.has(row.seq));
    for (const row of fresh) if (row.seq) this.numbers.set(row.seq, row);
    const last = this.rows.findLast((row) => row.seq)?.seq ?? 0;
    const numbered = fresh.filter((row) => row.seq);
    if (!numbered.length || numbered[0].seq > last) {
      this.rows.push(...fresh);
      return { where: "end", rows: fresh };
    }
    if (numbered.at(-1).seq < this.oldest) {
      this.rows.unshift(...fresh);
      return { where: "start", rows: fresh };
    }
    this._merge(numbered);
    return { where: "all", rows: this.rows };
  }

  remove(row) {
    this.rows.splice(this.rows.indexOf(row), 1);
    this.numbers.delete(row.seq);
  }

  // Forget the oldest rows if there are too many. Returns them.
  trim() {
    const gone = this.rows.length > MOST ? this.rows.splice(0, this.rows.length - MOST + AT_ONCE) : [];
    for (const row of gone) this.numbers.delete(row.seq);
    return gone;
  }

  _merge(numbered) {
    for (const row of numbered) {
      const after = this.rows.findIndex((other) => other.seq > row.seq);
      this.rows.splice(after < 0 ? this.rows.length : after, 0, row);
    }
  }
}
