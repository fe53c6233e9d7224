// The page: it draws what the model says has changed, once a frame, however much came meanwhile.

import { Composer } from "./composer.js";
import { counted } from "./days.js";
import { find, setText } from "./dom.js";
import { fold } from "./names.js";
import { drawChannels, drawPeople } from "./lists.js";
import { Log } from "./log.js";
import { STATUS } from "./words.js";

export class View {
  // `acts` is what the page can do: look, close, talk, send, join, search, older, leave, back, seen, now, giveUp, drawn.
  constructor(page, model, acts) {
    Object.assign(this, { page, model, acts, logs: new Map() });
    this._changes = [];
    this._shown = null; // the channel that is on the page
    this.composer = new Composer(find(".composer", page), { known: () => this._known(), send: acts.send });
    const form = find(".join", page);
    form.addEventListener("submit", (event) => (event.preventDefault(), acts.join(find("#join").value.trim()), form.reset()));
    const search = find(".search", page);
    search.addEventListener(
      "submit",
      (event) => (event.preventDefault(), acts.search(find("#search").value.trim()), search.reset()),
    );
    find("#channel").addEventListener("click", (event) => event.target.closest("button") || this.open(null));
    find(".leave", page).addEventListener("click", () => acts.leave());
    find(".to-end", page).addEventListener("click", () => (this.log.toEnd(), this.composer.field.focus()));
    find(".back", page).addEventListener("click", () => acts.back());
    this._toggles("rooms");
    this._toggles("people");
    find("#people .close").addEventListener("click", () => this.open(null));
    document.addEventListener("keydown", (event) => this._pressed(event));
  }

  get log() {
    return this.logs.get(this._shown);
  }

  // Take changes to be drawn with the next frame; a page out of sight has none.
  changed(changes) {
    if (!this._changes.length) (document.hidden ? setTimeout : requestAnimationFrame)(() => this.draw());
    this._changes.push({ what: "frame" }, ...changes);
  }

  draw() {
    const changes = this._changes.splice(0);
    const of = (what) => changes.filter((change) => change.what === what);
    this._drawRows(of("rows"));
    for (const { channel, row } of of("row")) this.logs.get(channel)?.redraw(row);
    for (const channel of new Set(of("pending").map((change) => change.channel))) this.logs.get(channel)?.pending();
    const { current, channels, name } = this.model;
    for (const log of this.logs.values()) {
      if (channels.get(log.channel.key) === log.channel) log.divide();
      else this._remove(log);
    }
    if (current && current !== this._shown) this._show(current);
    this._drawLists([...channels.values()]);
    this.acts.drawn();
    if (!current) return;
    setText(find("h1", this.page), current.name);
    setText(find(".topic", this.page), current.topic);
    setText(find(".me", this.page), name);
    setText(find(".count", this.page), current.private ? "" : String(current.people.size));
    setText(find("#people h2"), `${counted(current.people.size, "person", "people")} here`);
    find(".open-people", this.page).hidden = current.private;
    this.page.classList.toggle("private", current.private);
    drawPeople(find("#people ul"), current, name, this.acts.talk);
    this.log.start();
    this.log.fill();
    this.scrolled();
  }

  _drawRows(changes) {
    for (const channel of new Set(changes.map((change) => change.channel))) {
      const log = this.logs.get(channel);
      const own = changes.filter((change) => change.channel === channel);
      if (own.some(({ where }) => where === "all")) log?.draw();
      else for (const { where, rows } of own) log?.[where === "end" ? "append" : "prepend"](rows);
    }
  }

  _drawLists(channels) {
    const draw = (list, kind) => drawChannels(find(list, this.page), channels.filter(kind), this.model.current, this.acts);
    draw(".mine", (channel) => !channel.private);
    draw(".talks", (channel) => channel.private);
    find("#talks-title").hidden = !channels.some((channel) => channel.private);
    const elsewhere = channels.reduce((sum, channel) => sum + (channel === this.model.current ? 0 : channel.unread), 0);
    find(".elsewhere", this.page).hidden = !elsewhere;
    setText(find(".elsewhere", this.page), elsewhere > 99 ? "99+" : String(elsewhere));
  }

  _show(channel) {
    const { acts, model } = this;
    this.log?.show(false);
    this._shown = channel;
    if (!this.logs.has(channel)) {
      const log = new Log(channel, {
        name: () => model.name,
        now: acts.now,
        wants: acts.older,
        moved: () => this.scrolled(),
        giveUp: acts.giveUp,
      });
      this.logs.set(channel, log);
      find(".logs", this.page).append(log.element);
    }
    this.composer.at(channel);
    this.log.show(true);
  }

  _remove(log) {
    log.element.remove();
    this.logs.delete(log.channel);
    if (this._shown === log.channel) this._shown = null;
  }

  // The reader's place in the log is another, or there is more below it.
  scrolled() {
    if (!this.log) return;
    const { unread } = this._shown;
    const button = find(".to-end", this.page);
    button.hidden = this.log.atEnd;
    setText(button, unread ? `${counted(unread, "new message")} ↓` : "To the end ↓");
    if (this.log.atEnd && unread) this.acts.seen();
  }

  listed(rooms) {
    const options = rooms
      .filter((room) => !room.mine)
      .map(({ room, people, topic }) => new Option(`${counted(people, "person", "people")}  ${topic}`, room));
    find("#listed").replaceChildren(...options);
  }

  status(status) {
    const line = find(".status", this.page);
    line.hidden = !STATUS[status];
    setText(find("span", line), STATUS[status]);
    find(".back", line).hidden = status !== "out";
  }

  // Open a side panel where there is room for one thing at a time; null closes what is open.
  open(panel) {
    if (panel === null) delete this.page.dataset.open;
    else this.page.dataset.open = panel;
    for (const name of ["rooms", "people"]) find(`.open-${name}`, this.page).ariaExpanded = String(name === panel);
  }

  _toggles(panel) {
    const button = find(`.open-${panel}`, this.page);
    button.addEventListener("click", () => {
      this.open(this.page.dataset.open === panel ? null : panel);
      find(`#${panel} button`)?.focus();
    });
  }

  _known() {
    const { current, channels, listed, commands } = this.model;
    const rooms = new Set([...channels.keys(), ...listed.map((room) => room.room)].filter((key) => key.startsWith("#")));
    const people = current.private ? [current.name] : current.here.map((person) => person.name);
    return { commands, rooms: [...rooms], people: people.filter((name) => fold(name) !== fold(this.model.name)) };
  }

  // Keys that work wherever one is: Alt and arrows go to other channels, Page Up and Down read, Escape goes back to writing.
  _pressed(event) {
    if (this.page.hidden || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 1, PageUp: -1 };
    if (event.altKey && event.key.startsWith("Arrow") && event.key in steps) this._step(steps[event.key]);
    else if (event.key.startsWith("Page") && event.target === this.composer.field) {
      this.log.element.scrollBy({ top: steps[event.key] * this.log.element.clientHeight * 0.9 });
    } else if (event.key === "Escape") {
      this.open(null);
      this.composer.field.focus();
    } else return;
    event.preventDefault();
  }

  _step(step) {
    const channels = [...this.model.channels.values()].sort((one, other) => one.private - other.private);
    const at = channels.indexOf(this.model.current) + step;
    this.acts.look(channels[(at + channels.length) % channels.length]);
  }
}
