// A room, or the talk with one person: its rows, who is there, and what is unread.

import { fold, way } from "./names.js";
import { Timeline } from "./timeline.js";

export class Channel {
  constructor(key, name) {
    this.key = key;
    this.name = name;
    this.private = key.startsWith("@");
    this.joined = this.private;
    this.topic = "";
    this.people = new Map(); // by folded name: {name, protocol, encrypted, away}
    this.unread = 0;
    this.mentions = 0;
    this.firstUnread = null; // where the unread begin, while they are
    this.unreadFrom = null; // where they began, once one looks
    this.begin();
  }

  // Start with no rows, as when one comes in.
  begin() {
    this.timeline = new Timeline();
    this.pending ??= [];
    this.complete = this.private; // there is nothing older on the server
    this.asking = false; // older messages are on their way
    this.before = null; // older messages are those before this number
  }

  // The words of `/history` that ask for so many messages before those that are here.
  older(count) {
    const oldest = this.timeline.oldest ?? this.before;
    return oldest === null ? [this.key, String(count)] : [this.key, "before", String(oldest), String(count)];
  }

  // Returns the changes.
  add(rows) {
    const { where, rows: fresh } = this.timeline.add(rows);
    return fresh.length ? [{ what: "rows", channel: this, where, rows: fresh }] : [];
  }

  // Forget the oldest rows if there are too many. Returns them.
  trim() {
    const gone = this.timeline.trim();
    if (gone.length) this.complete = this.private;
    return gone;
  }

  setPeople(names, how = []) {
    const before = this.people;
    this.people = new Map();
    names.forEach((name, at) => {
      const known = how[at] === undefined ? before.get(fold(name)) : way(how[at]);
      this.people.set(fold(name), { ...known, name });
    });
  }

  // Whether it is not known of somebody how they have come in.
  get unknown() {
    return !this.private && this.joined && [...this.people.values()].some((person) => person.protocol === undefined);
  }

  // Who is here, in alphabetical order.
  get here() {
    return [...this.people.values()].sort((one, other) => one.name.localeCompare(other.name));
  }

  // Keep up with who comes, goes, and is called otherwise.
  follow(event) {
    const key = event.name === undefined ? null : fold(event.name);
    const person = this.people.get(key);
    if (event.type === "joined") {
      this.people.set(key, { ...person, name: event.name });
    } else if (event.type === "left" || event.type === "kicked") {
      this.people.delete(key);
    } else if (event.type === "renamed" && person) {
      this.people.delete(key);
      this.people.set(fold(event.new), { ...person, name: event.new });
    } else if (event.type === "described" && event.what === "away" && person) {
      person.away = event.value !== undefined;
    }
  }
}
