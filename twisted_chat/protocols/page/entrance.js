// The form where one gives a name.

import { find, setText } from "./dom.js";

export class Entrance {
  // `enter(name, password, code)` is called when it is sent.
  constructor(page, enter) {
    this.page = page;
    this._name = find("#name", page);
    this._password = find("#password", page);
    this._code = find("#code", page);
    this._button = find("button", page);
    find("form", page).addEventListener("submit", (event) => {
      event.preventDefault();
      this.say("");
      this._button.disabled = true;
      enter(this._name.value.trim(), this._password.value || null, this._code.value.trim() || null);
    });
  }

  show(name) {
    this.page.hidden = false;
    if (name) this._name.value = name;
    this._name.focus();
  }

  hide() {
    this.page.hidden = true;
    this._password.value = this._code.value = "";
    this.say("");
  }

  // Say why one can't come in; the field that it is about comes next.
  say(problem, code = "") {
    this._button.disabled = false;
    setText(find(".problem", this.page), problem);
    const about = /password/u.test(code) ? this._password : code === "not-invited" ? this._code : this._name;
    if (about !== this._name) find("details", this.page).open = true;
    if (problem) about.select();
  }
}
