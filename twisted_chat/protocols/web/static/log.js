// The log of one channel on the page: it only draws what the channel has.
//
// 1. Rows stand in blocks. A block out of sight costs nothing: the browser neither lays it out nor paints it
//    (`content-visibility` in style.css), and remembers how high it was.
// 2. Who reads above the end never has the text move: the row at the top of the window stays where it is, whatever comes
//    before or after it. Who is at the end stays at the end.
// 3. New rows are read out by screen readers (role `log`); older ones that are put before them are not (`aria-busy`).

import { dayOf, moment } from "./days.js";
import { make } from "./dom.js";
import { dayElement, rowElement } from "./row.js";

// How many rows a block has, at most when it grows at the end.
const BLOCK = 50;
// So near to the end counts as there, and so near to the start asks for what is older, in pixels.
const NEAR_END = 60;
const NEAR_START = 600;

export class Log {
  // `name()` is the reader's name and `now()` the time; `wants(channel)` is called for older messages, `moved()` on scrolling,
  // `giveUp(channel, row)` for a refused message that is to be written again.
  constructor(channel, { name, now, wants, moved, giveUp }) {
    Object.assign(this, { channel, _name: name, _now: now, _wants: wants, _giveUp: giveUp });
    this._pending = make("div", { className: "pending" });
    this._blocks = make("div", { className: "blocks" });
    this._top = make("p", { className: "top" });
    const label = channel.private ? `Messages with ${channel.name}` : `Messages in ${channel.name}`;
    this.element = make("div", { className: "log", role: "log", tabIndex: 0, ariaLabel: label, hidden: true });
    this.element.append(this._top, this._blocks, this._pending);
    this._elements = new WeakMap(); // by row
    this._last = null; // the row drawn last
    this._divided = null; // the number of the row above which the unread begin
    this.atEnd = true;
    this.element.addEventListener("scroll", () => this._scrolled(moved), { passive: true });
    this.element.addEventListener("pointerover", ({ target }) => {
      // Only when it is asked for: it is slow.
      if (target.dateTime && !target.title) target.title = moment(Date.parse(target.dateTime) / 1000);
    });
    // With the next frame: what scrolls in one resizes blocks, and a browser complains about such a loop.
    const sizes = new ResizeObserver(() => requestAnimationFrame(() => this.atEnd && this.toEnd()));
    sizes.observe(this.element);
    sizes.observe(this._blocks);
    this._position = 0;
    this.draw();
  }

  show(shown) {
    this.element.hidden = !shown;
    if (!shown) return;
    if (this.atEnd) this.toEnd();
    else this.element.scrollTop = this._position;
    this.fill();
  }

  toEnd() {
    this.element.scrollTop = this.element.scrollHeight;
  }

  // Draw everything anew.
  draw() {
    this._hold(() => {
      this._blocks.replaceChildren();
      this._last = null;
      this._divided = this.channel.unreadFrom;
      this.append(this.channel.timeline.rows);
      this.pending();
    });
  }

  append(rows) {
    let block = this._blocks.lastElementChild;
    for (const row of rows) {
      if (!block || block.childElementCount >= BLOCK) this._blocks.append((block = make("div", { className: "block" })));
      block.append(...this._drawn(row, this._last));
      this._last = row;
    }
    for (const row of this.atEnd ? this.channel.trim() : []) this._drop(row);
    if (this.atEnd) this.toEnd();
  }

  prepend(rows) {
    const following = this.channel.timeline.rows[rows.length];
    this.element.ariaBusy = "true";
    this._hold(() => {
      const blocks = [];
      for (let start = 0; start < rows.length; start += BLOCK) {
        const part = rows.slice(start, start + BLOCK);
        blocks.push(make("div", { className: "block" }, ...part.flatMap((row, at) => this._drawn(row, rows[start + at - 1]))));
      }
      this._blocks.prepend(...blocks);
      if (following) this.redraw(following, rows.at(-1));
      this.start();
    });
    setTimeout(() => (this.element.ariaBusy = "false"), 1000);
  }

  // A row looks otherwise now.
  redraw(row, before = this._before(row)) {
    const element = this._elements.get(row);
    if (!element) return;
    if (element.previousElementSibling?.className === "day") element.previousElementSibling.remove();
    element.replaceWith(...this._drawn(row, before));
  }

  // Mark where the unread begin, if that is elsewhere now.
  divide() {
    const before = this._divided;
    this._divided = this.channel.unreadFrom;
    if (before === this._divided) return;
    for (const seq of [before, this._divided]) {
      const row = this.channel.timeline.get(seq);
      if (row) this.redraw(row);
    }
  }

  // One's own messages that are on their way, or were refused.
  pending() {
    const { pending, timeline } = this.channel;
    const rows = pending.map((row, at) => rowElement(row, { before: pending[at - 1] ?? timeline.rows.at(-1) }));
    pending.forEach((row, at) => {
      if (row.state === "refused") {
        const again = make("button", { className: "again quiet", onclick: () => this._giveUp(this.channel, row) }, "Change it");
        rows[at].append(again);
      }
    });
    this._pending.replaceChildren(...rows);
    if (this.atEnd) this.toEnd();
  }

  // Say what is above the first row.
  start() {
    const { complete, asking, timeline } = this.channel;
    this._top.textContent = asking
      ? "Reading what was said before…"
      : complete && timeline.rows.length
        ? "This is where it begins."
        : "";
  }

  // Show a message, if it is here. Returns whether it is.
  reveal(seq) {
    const element = this._elements.get(this.channel.timeline.get(seq));
    element?.scrollIntoView({ block: "center" });
    element?.animate?.([{ outline: "3px solid currentColor" }, { outline: "3px solid transparent" }], 2000);
    return Boolean(element);
  }

  // Ask for what is older, if the reader is near the first row.
  fill() {
    if (!this.element.hidden && this.element.scrollTop < NEAR_START) this._wants(this.channel);
  }

  _drawn(row, before) {
    const first = row.seq !== undefined && row.seq === this._divided;
    const element = rowElement(row, { name: this._name(), before, first });
    this._elements.set(row, element);
    const newDay = before ? dayOf(before.time) !== dayOf(row.time) : row.seq !== undefined;
    return newDay ? [dayElement(row.time, this._now()), element] : [element];
  }

  _before(row) {
    const { rows } = this.channel.timeline;
    return rows[rows.lastIndexOf(row) - 1];
  }

  _drop(row) {
    const element = this._elements.get(row);
    const block = element.parentElement;
    if (element.previousElementSibling?.className === "day") element.previousElementSibling.remove();
    element.remove();
    if (!block.childElementCount) block.remove();
  }

  // Change something above what is read, which stays where it is.
  _hold(change) {
    const seen = this._topmost(this.element.getBoundingClientRect().top);
    const row = seen && this.channel.timeline.get(Number(seen.dataset.seq));
    const before = seen?.getBoundingClientRect().top;
    change();
    if (this.atEnd) this.toEnd();
    else if (row) this.element.scrollTop += this._elements.get(row).getBoundingClientRect().top - before;
  }

  // The first row in sight.
  _topmost(edge) {
    const inSight = (element) => element.getBoundingClientRect().bottom > edge;
    const block = [...this._blocks.children].find(inSight);
    return block && [...block.children].find((element) => inSight(element) && element.dataset.seq);
  }

  _scrolled(moved) {
    if (this.element.hidden) return;
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    const up = scrollTop < this._position; // by the reader: rows that turn out higher than was thought only push down
    this.atEnd = scrollHeight - clientHeight - scrollTop < NEAR_END || (this.atEnd && !up);
    this._position = scrollTop;
    this.fill();
    moved();
  }
}
