// The form where one gives a name.

import { find, setText } from "./dom.js";

export class Entrance {
  // `enter(name, password, code, claim)` is called when it is sent: what stands in the field for codes is an invitation, or,
  // once the server has asked for it, the code that claims an operator's name.
  constructor(page, enter) {
    this.page = page;
    this._name = find("#name", page);
    this._password = find("#password", page);
    this._code = find("#code", page);
    this._button = find("button", page);
    this._claims = null; // the name that is claimed
    find("form", page).addEventListener("submit", (event) => {
      event.preventDefault();
      this.say("");
      this._button.disabled = true;
      const [name, code] = [this._name.value.trim(), this._code.value.trim() || null];
      const claims = name === this._claims;
      enter(name, this._password.value || null, claims ? null : code, claims ? code : null);
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
    this._claims = null;
    this.say("");
  }

  // Say why one can't come in; the field that it is about comes next.
  say(problem, code = "") {
    this._button.disabled = false;
    setText(find(".problem", this.page), problem);
    if (/claim/u.test(code)) this._claims = this._name.value.trim();
    const about = /password/u.test(code) ? this._password : /claim|not-invited/u.test(code) ? this._code : this._name;
    if (about !== this._name) find("details", this.page).open = true;
    if (problem) about.select();
  }
}
