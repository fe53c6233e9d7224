// What a search has found, or a typed /history has shown, beside the messages.

import { clock, counted, dayName } from "./days.js";
import { find, make, setText } from "./dom.js";
import { hue } from "./names.js";
import { pieces } from "./pieces.js";

// `search(words)` asks the server; `go(room, seq)` shows a message where it stands.
export class Searching {
  constructor(panel, { search, go, closed }) {
    Object.assign(this, { panel, _search: search, _go: go, _list: find("ol", panel) });
    this._more = find(".more", panel);
    this._more.addEventListener("click", () => this._search(`${this._words} before:${this._events[0].seq}`));
    find(".close", panel).addEventListener("click", () => (this.hide(), closed()));
  }

  hide() {
    this.panel.hidden = true;
  }

  // `found` is {words, events, more, why}: `why` it could not be looked for.
  show({ words, events, more, why }, now) {
    this.panel.hidden = false;
    const earlier = / before:\d+$/u.test(words ?? "");
    this._words = (words ?? "").replace(/ before:\d+$/u, "");
    this._events = earlier ? [...events, ...this._events] : events;
    setText(find("h2", this.panel), this._words || "Found");
    setText(
      find(".said", this.panel),
      why ?? (this._events.length ? counted(this._events.length, "message") : "Nothing was found."),
    );
    this._list.replaceChildren(...this._events.toReversed().map((event) => this._item(event, now)));
    this._more.hidden = !more;
    if (!earlier) find("h2", this.panel).focus();
  }

  _item({ seq, time, room, author, text }, now) {
    const when = make("time", {}, `${dayName(time, now)}, ${clock(time)}`);
    const head = make(
      "span",
      { className: "head" },
      make("b", { className: `author hue-${hue(author)}` }, author),
      ` ${room} `,
      when,
    );
    const shown = pieces(text, "").map((piece) => piece.text);
    const button = make("button", {}, head, make("span", { className: "text" }, ...shown));
    button.addEventListener("click", () => this._go(room, seq));
    return make("li", {}, button);
  }
}
