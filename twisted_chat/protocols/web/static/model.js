// All that the page knows: channels (rooms, and talks with one person), their rows, people, and what is unread.
//
// 1. `happened` takes in one event of docs/protocol.md and returns what has changed, as a list of {what, channel, …}:
//      rows      where: "end", "start" or "all"; rows: those that are new there
//      row       this row looks otherwise now
//      pending   one's own messages that no event has shown yet
//      people    who is in the room
//      channel   topic, unread, whether one is in it; also for a new channel
// 2. Nothing here knows of the page, of sockets or of clocks: time comes in as an argument.
// 3. A message of one's own is pending, then shown by its event, then kept by its receipt, which names its number: the
//    event tells everybody the same, and so does not say whose request it was. Until the receipt comes it is known by
//    its text.

import { Channel } from "./channel.js";
import { fold, mentions } from "./names.js";
import { answer, sentence } from "./words.js";

const SPOKEN = new Set(["said", "emoted", "told", "whispered", "noticed"]);

export class Model {
  constructor() {
    this.channels = new Map();
    this.current = null;
    this.name = "";
    this.commands = []; // [usage, explanation] pairs
    this.listed = []; // the rooms there are, as the server lists them
    this.found = null; // what was searched for last: {words, events, more}
    this._receipts = new Map(); // what is known of messages that are not shown yet, by number
    this._early = []; // what the server said before there was a channel to show it in
    this._log = null;
  }

  get room() {
    return this.current?.private ? null : (this.current?.key ?? null);
  }

  // The talk with one person; it begins when it is looked for.
  talk(name) {
    return this.open(`@${fold(name)}`, name);
  }

  open(key, name = key) {
    if (!this.channels.has(key)) {
      this.channels.set(key, new Channel(key, name));
      this.current ??= this.channels.get(key);
    }
    return this.channels.get(key);
  }

  // Look at a channel. Where the unread begin in it is marked from now on.
  look(channel) {
    const before = this.current;
    if (before) before.unreadFrom = null;
    this.current = channel;
    channel.unreadFrom = channel.firstUnread;
    const changes = this.read(channel);
    return before && before !== channel ? [{ what: "channel", channel: before }, ...changes] : changes;
  }

  // All in a channel has been read.
  read(channel) {
    Object.assign(channel, { unread: 0, mentions: 0, firstUnread: null });
    return [{ what: "channel", channel }];
  }

  // Close a channel one is not in any more.
  forget(channel) {
    this.channels.delete(channel.key);
    if (this.current === channel) this.current = this.channels.values().next().value ?? null;
  }

  // A request of one's own is on its way. `time` is in seconds since 1970.
  sent(request, time) {
    const channel = this._channelOf(request);
    if (!channel || request.type === "line") return [];
    const text = request.type === "do" ? request.arguments[1] : request.text;
    channel.pending.push({ id: request.id, kind: "said", author: this.name, text, time, own: true, state: "sending" });
    return [{ what: "pending", channel }];
  }

  _channelOf(request) {
    const waiting = [...this.channels.values()].find((channel) => channel.pending.some((row) => row.id === request.id));
    if (waiting) return waiting;
    return request.type === "do" ? this.talk(request.arguments[0]) : this.channels.get(request.room);
  }

  // A request of one's own has its receipt, or is done, or was refused.
  settled(request, event, time) {
    const channel = this._channelOf(request);
    const waiting = channel?.pending.find((row) => row.id === request.id);
    if (event.type === "error") {
      if (!waiting) return this._answered(event, time);
      Object.assign(waiting, { state: "refused", why: event.text });
      return [{ what: "pending", channel }];
    }
    if (event.type !== "receipt") return [];
    const text = `Characters that cannot be shown were left out or replaced. It reads: ${event.stored}`;
    const altered = event.stored === undefined ? [] : this._answered({ type: "remark", text }, time);
    return [...this._receipted(channel, waiting, event), ...altered];
  }

  _receipted(channel, waiting, { id, seq, kept }) {
    const changes = waiting ? [this._dropPending(channel, id)] : this._sameMessage(channel, id, seq);
    const shownIn = [...this.channels.values()].find((one) => one.timeline.get(seq));
    const state = kept ? "kept" : (shownIn ?? channel)?.private ? "delivered" : "lost";
    if (!shownIn) {
      this._receipts.set(seq, state);
      return changes;
    }
    const row = shownIn.timeline.get(seq);
    row.state = state;
    return [...changes, { what: "row", channel: shownIn, row }];
  }

  _dropPending(channel, id) {
    channel.pending = channel.pending.filter((row) => row.id !== id);
    return { what: "pending", channel };
  }

  // A message that a crash took from the log, sent again: it has another number now, and stands once.
  _sameMessage(channel, id, seq) {
    const earlier = channel?.timeline.rows.findLast((row) => row.id === id && row.seq !== seq);
    if (!earlier) return [];
    channel.timeline.remove(earlier);
    return [drawnAnew(channel)];
  }

  // Give a refused message up.
  giveUp(channel, row) {
    return [this._dropPending(channel, row.id)];
  }

  // Take in an event. `purpose` is what the page asked it for, if it did; `time` is now, in seconds since 1970.
  happened(event, purpose = {}, time = 0) {
    if (SPOKEN.has(event.type)) return this._spoken(event);
    if (event.room && sentence(event) !== undefined) return this._event(event);
    switch (event.type) {
      case "welcome":
        return this._welcomed(event, time);
      case "history":
        return this._past(event, purpose);
      case "people":
        return this._people(event, purpose, time);
      case "described":
        return this._described(event);
      case "found":
        this.found = { ...purpose, ...event };
        return [{ what: "found" }];
      case "rooms":
        if (purpose.listing) this.listed = event.rooms;
        return purpose.listing ? [{ what: "listed" }] : this._answered(event, time);
      case "help":
        if (purpose.explaining) this.commands = event.entries;
        return purpose.explaining ? [] : this._answered(event, time);
      case "error":
        return this._refused(event, purpose, time);
      default:
        return this._answered(event, time);
    }
  }

  _welcomed({ name, log, motd = [], commands = [] }, time) {
    const another = this._log !== null && this._log !== log; // its numbers mean something else
    this.name = name;
    this._log = log;
    this._receipts.clear();
    if (!this.commands.length) this.commands = commands.map(([, usage]) => [usage, ""]);
    for (const channel of this.channels.values()) {
      channel.asking = false;
      channel.joined = channel.private;
      if (another) channel.begin();
    }
    this._early = this._greeted === motd.join("\n") ? [] : motd.map((text) => aside([text], time));
    this._greeted = motd.join("\n");
    return another ? [...this.channels.values()].map(drawnAnew) : [];
  }

  _spoken(event) {
    const row = this._row(event);
    const partner = row.own ? event.to : event.author;
    return this._shown(event.room?.startsWith("#") ? this.open(event.room) : this.talk(partner), row);
  }

  _row({ type, seq, time, author, text }) {
    const own = this._mine(author);
    const kind = type === "emoted" || type === "noticed" ? type : "said";
    const mention = !own && (type === "told" || type === "whispered" || mentions(text, this.name));
    return { seq, time, kind, author, text, own, mention };
  }

  _mine(name) {
    return fold(name) === fold(this.name);
  }

  _shown(channel, row) {
    if (channel.timeline.get(row.seq)) return [];
    const changes = [];
    if (row.own) {
      row.state = this._receipts.get(row.seq);
      this._receipts.delete(row.seq);
      const pending = channel.pending.find((one) => one.state === "sending" && one.text === row.text);
      if (pending) {
        Object.assign(row, { id: pending.id, state: row.state ?? "shown" });
        changes.push(this._dropPending(channel, pending.id));
      }
    } else {
      channel.unread += 1;
      channel.mentions += row.mention ? 1 : 0;
      channel.firstUnread ??= row.seq;
      changes.push({ what: "channel", channel });
    }
    return [...changes, ...channel.add([row])];
  }

  _past(event, purpose) {
    const channel = this.open(event.room);
    const rows = event.events.map((one) => this._row(one));
    if (purpose.older) {
      channel.asking = false;
      channel.complete = rows.length === 0;
      return [...channel.add(rows), { what: "channel", channel }];
    }
    if (channel.joined) {
      this.found = { words: `What was said in ${event.room}`, events: event.events, more: false };
      return [{ what: "found" }];
    }
    channel.begin();
    if (event.missed) channel.unreadFrom = rows.find((row) => row.seq > event.mark)?.seq ?? null;
    channel.add(rows);
    return [drawnAnew(channel), { what: "channel", channel }];
  }

  _people(event, purpose, time) {
    const channel = event.arriving ? this.open(event.room) : this.channels.get(event.room);
    if (!channel) return this._answered(event, time);
    channel.setPeople(event.names, event.how);
    channel.topic = event.topic;
    channel.joined ||= event.arriving ?? false;
    const changes = [
      { what: "people", channel },
      { what: "channel", channel },
    ];
    if (event.arriving) changes.push(...channel.add(this._early.splice(0)));
    else if (!purpose.who) changes.push(...this._answered(event, time));
    return changes;
  }

  _event(event) {
    const gone = (event.type === "left" || event.type === "kicked") && this._mine(event.name);
    if (gone && !this.channels.has(event.room)) return []; // given up already
    const channel = this.open(event.room);
    const changes = [];
    if (this._mine(event.name ?? "")) {
      if (event.type === "renamed") this.name = event.new;
      else if (event.type === "joined") channel.joined = true;
      else if (gone) channel.joined = false;
    }
    if (event.type === "topic") channel.topic = event.topic;
    if (event.type === "deleted") changes.push(...this._deleted(channel, event.target));
    channel.follow(event);
    if (event.type === "renamed") this._renamed(event);
    const row = { seq: event.seq, time: event.time, kind: "event", text: sentence(event) };
    return [...changes, { what: "people", channel }, { what: "channel", channel }, ...channel.add([row])];
  }

  // A talk with somebody goes on under their new name, unless there is one with that name already.
  _renamed({ name, new: now }) {
    const talk = this.channels.get(`@${fold(name)}`);
    if (!talk || this.channels.has(`@${fold(now)}`)) return;
    this.channels.delete(talk.key);
    Object.assign(talk, { key: `@${fold(now)}`, name: now });
    this.channels.set(talk.key, talk);
  }

  // An operator took a message's text out of the history; it goes from the page as well.
  _deleted(channel, seq) {
    const row = channel.timeline.get(seq);
    if (!row) return [];
    Object.assign(row, { text: "(deleted)", mention: false });
    return [{ what: "row", channel, row }];
  }

  _described(event) {
    const channel = this.channels.get(event.room);
    channel?.follow(event);
    return channel ? [{ what: "people", channel }] : [];
  }

  _refused(event, purpose, time) {
    if (purpose.older) this.channels.get(purpose.room).asking = false;
    else if (purpose.words) this.found = { ...purpose, events: [], more: false, why: event.text };
    else if (!purpose.listing && !purpose.explaining && !purpose.who) return this._answered(event, time);
    return purpose.words ? [{ what: "found" }] : [];
  }

  _answered(event, time) {
    const lines = answer(event);
    if (!lines.length) return [];
    const row = aside(lines, time, event.type === "error");
    if (this.current) return this.current.add([row]);
    this._early.push(row);
    return [];
  }
}

// A row of the server's words to this person alone.
function aside(lines, time, bad = false) {
  return { time, kind: "answer", text: lines.join("\n"), bad };
}

function drawnAnew(channel) {
  return { what: "rows", channel, where: "all", rows: channel.timeline.rows };
}
