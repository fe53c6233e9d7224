// What happened, as a sentence, where it is not a message. The same sentences as `twisted_chat/protocols/terminal/rendering.py` has.

import { counted, duration } from "./days.js";

const because = (reason) => (reason ? `: ${reason}` : "");

// Without a prototype, as the other tables: the server's words are looked up here, and "constructor" is one to JavaScript.
const SENTENCES = {
  __proto__: null,
  joined: (event) => `${event.name} joined (${event.here} here)`,
  left: (event) => `${event.name} left (${event.here} here)${because(event.reason)}`,
  kicked: (event) => `${event.operator} sent ${event.name} out (${event.here} here)${because(event.reason)}`,
  renamed: (event) => `${event.name} is now ${event.new}`,
  topic: (event) => (event.topic ? `${event.name} set the topic: ${event.topic}` : `${event.name} took the topic away`),
  changed: (event) => `${event.name} ${event.what}`,
  deleted: (event) => `${event.name} deleted a message`,
  notice: (event) => event.text,
};

// A room's event as a sentence; undefined if it is none to be told.
export function sentence(event) {
  return SENTENCES[event.type]?.(event);
}

const ANSWERS = {
  __proto__: null,
  remark: (event) => [event.text],
  error: (event) => [event.text],
  invited: (event) => [`${event.name} invites you to ${event.room}: /join ${event.room}`],
  rooms: (event) => event.rooms.map((room) => `${room.room}, ${room.people} here${because(room.topic)}`),
  people: (event) => [
    `In ${event.room}: ${event.names.map((name, at) => named(name, event.how?.[at])).join(", ") || "nobody"}`,
  ],
  help: (event) => event.entries.map(([usage, explanation]) => `${usage} – ${explanation}`),
  listing: (event) => (event.rows.length ? event.rows.map((row) => row.join("  ")) : [`There are no ${event.of}.`]),
  whois: (event) => [
    `${event.name}, ${event.registered ? "a registered name" : "a guest"}`,
    `in ${event.rooms.join(", ") || "no room you can see"}`,
    `by ${event.protocol}, ${event.encrypted ? "encrypted" : "not encrypted"}, silent for ${duration(event.idle)}`,
    ...(event.about ? [`about themselves: ${event.about}`] : []),
    ...(event.address === undefined ? [] : [`from ${event.address}`]),
    ...(event.host ? [`host ${event.host}`] : []),
    ...(event.away === undefined ? [] : [`away${because(event.away)}`]),
  ],
};

function named(name, how) {
  return how ? `${name} (${how})` : name;
}

// An answer to this person alone, as lines; none if there is nothing to show.
export function answer(event) {
  return ANSWERS[event.type]?.(event) ?? [];
}

// What the state of one's own message means, in a word or two.
export const STATES = {
  sending: "sending…",
  shown: "sent, not kept yet",
  kept: "kept",
  delivered: "delivered; private messages with guests are not kept",
  lost: "shown, but not kept",
  refused: "not sent",
};

// What is in the page's title: how much is unread, and where one is.
export function title(mentions, unread, channel) {
  const count = mentions || unread;
  return `${count ? `(${count}${mentions ? "!" : ""}) ` : ""}${channel ? `${channel} · ` : ""}twisted_chat`;
}

// What a screen reader is told of the connection, and everybody in the bar above the messages.
export const STATUS = {
  connecting: "Connecting…",
  waiting: "The connection is lost. Trying again; what you write is sent then.",
  out: "You are not connected here: the conversation has ended, or goes on in another window.",
  in: "",
};

export function unreadWords(unread, mentions) {
  return unread ? `, ${counted(unread, "unread message")}${mentions ? `, ${counted(mentions, "mention")}` : ""}` : "";
}
