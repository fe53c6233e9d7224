// Where one writes: lines, completed on Tab, sent on Enter.
//
// 1. Of what is offered the arrows choose, Tab takes, and so does Enter after an arrow; Escape closes. With nothing offered
//    Tab goes on to what is next on the page, as everywhere. Screen readers are told how much is offered, and which is chosen.
// 2. What one has written and not sent stays with its channel.

import { complete } from "./completion.js";
import { counted } from "./days.js";
import { find, make, setText } from "./dom.js";

// How many sent lines the arrows bring back.
const REMEMBERED = 50;

export class Composer {
  // `known()` gives what can be completed; `send(line)` is called for each line that is sent.
  constructor(form, { known, send }) {
    Object.assign(this, { _known: known, _send: send });
    this.field = find("textarea", form);
    this._list = find("[role=listbox]", form);
    this._said = find("[role=status]", form);
    this._offered = { from: 0, options: [] };
    this._chosen = 0;
    this._sent = [];
    this._back = 0; // how many lines back one has gone
    this._drafts = new WeakMap();
    form.addEventListener("submit", (event) => (event.preventDefault(), this._submit()));
    this.field.addEventListener("input", () => this._offer());
    this.field.addEventListener("blur", () => this._close());
    this.field.addEventListener("keydown", (event) => this._pressed(event));
  }

  // Write in this channel from now on.
  at(channel) {
    if (this._channel) this._drafts.set(this._channel, this.field.value);
    this._channel = channel;
    this.field.value = this._drafts.get(channel) ?? "";
    this.field.placeholder = channel.private ? `Message ${channel.name} privately` : `Message ${channel.name}`;
    this.field.ariaLabel = this.field.placeholder;
    this._close();
  }

  // Put something where it can be changed and sent.
  put(text) {
    this.field.value = text;
    this.field.focus();
  }

  _submit() {
    const lines = this.field.value.split(/\r?\n/u).filter((line) => line.trim());
    this.field.value = "";
    this._close();
    this._back = 0;
    for (const line of lines) {
      if (!/^\P{L}*\w*(?:register|password|login|oper|nick|name)\b/iu.test(line)) this._sent.push(line); // passwords are not to come back
      this._send(line);
    }
    this._sent.splice(0, this._sent.length - REMEMBERED);
    this.field.focus();
  }

  _pressed(event) {
    if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    const offers = this._offered.options.length > 0;
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (offers && event.key in steps) this._choose(this._chosen + steps[event.key]);
    else if (offers && event.key === "Escape") this._close();
    else if (offers && !event.shiftKey && (event.key === "Tab" || (event.key === "Enter" && this._wanted)))
      this._take(this._chosen);
    else if (event.key === "Enter" && !event.shiftKey) this._submit();
    else if (event.key in steps && !event.shiftKey && this._recalls()) this._recall(-steps[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Arrows bring back what was sent while nothing else is in the field.
  _recalls() {
    return this._sent.length > 0 && (!this.field.value || this.field.value === this._sent.at(-this._back));
  }

  _recall(step) {
    this._back = Math.min(Math.max(this._back + step, 0), this._sent.length);
    this.field.value = this._back ? this._sent.at(-this._back) : "";
    this._close();
  }

  _offer() {
    this._offered = complete(this.field.value.slice(0, this.field.selectionStart), this._known());
    const options = this._offered.options.map(({ label, detail }, at) => {
      const id = `option-${at}`;
      const option = make("li", { id, role: "option" }, make("span", { className: "label" }, label), make("span", {}, detail));
      option.addEventListener("pointerdown", (event) => (event.preventDefault(), this._take(at)));
      return option;
    });
    this._list.replaceChildren(...options);
    this._list.hidden = !options.length;
    setText(this._said, options.length ? `${counted(options.length, "completion")}, Tab takes one` : "");
    this._choose(0);
    this._wanted = false; // until an arrow was pressed, Enter sends
  }

  _choose(at) {
    const { children } = this._list;
    this._wanted = true;
    this._chosen = (at + children.length) % children.length || 0;
    for (const [index, option] of [...children].entries()) option.ariaSelected = String(index === this._chosen);
    const chosen = children[this._chosen];
    chosen?.scrollIntoView({ block: "nearest" });
    if (chosen) this.field.setAttribute("aria-activedescendant", chosen.id);
    else this.field.removeAttribute("aria-activedescendant");
  }

  _take(at) {
    const end = this.field.selectionStart;
    this.field.setRangeText(this._offered.options[at].insert, this._offered.from, end, "end");
    this._offer();
  }

  _close() {
    this._offered = { from: 0, options: [] };
    this._list.replaceChildren();
    this._list.hidden = true;
    setText(this._said, "");
    this.field.removeAttribute("aria-activedescendant");
  }
}
