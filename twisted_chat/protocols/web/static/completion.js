// What could be meant by what is typed so far: a command, a person, or a room.

import { fold } from "./names.js";

// The most that is offered at once: more is a list to read instead of a choice to make.
export const MOST = 8;
// Commands whose first word is a person.
const ABOUT_PEOPLE = /^\/(?:msg|whois|kick|ban|mute|unmute|ignore|unignore|op|deop|voice|devoice|invite|disconnect)$/u;

// `text` up to the caret is what is completed. `known` has `commands` ([usage, explanation] pairs), `people` and `rooms`.
// Returns {from, options}: options of {insert, label, detail} stand for the text from there to the caret.
export function complete(text, known) {
  const from = text.search(/\S*$/u);
  const word = text.slice(from);
  const before = text.slice(0, from).trim();
  let options = [];
  if (from === 0 && /^\/[a-z]*$/iu.test(word)) options = commands(word.toLowerCase(), known.commands);
  else if (word.startsWith("#")) options = known.rooms.filter(startsWith(word)).map((room) => plain(room, "room"));
  else if (word.startsWith("@")) options = people(word.slice(1), known.people, "@", from);
  else if (word || ABOUT_PEOPLE.test(before)) options = people(word, known.people, "", from, ABOUT_PEOPLE.test(before) ? 0 : 2);
  return { from, options: options.filter((option) => option.insert.trim() !== word).slice(0, MOST) };
}

function commands(word, known) {
  return known
    .map(([usage, detail]) => ({ insert: `${usage.split(" ", 1)[0]} `, label: usage, detail }))
    .filter((option) => option.insert.startsWith(word));
}

// People whose name begins so, once at least `least` letters are there: ordinary words are not to be interrupted.
function people(word, known, sign, from, least = 0) {
  if (word.length < least) return [];
  const end = from === 0 ? ": " : " ";
  return known.filter(startsWith(word)).map((name) => ({ insert: `${name}${end}`, label: `${sign}${name}`, detail: "" }));
}

function startsWith(word) {
  const start = fold(word);
  return (name) => fold(name).startsWith(start);
}

function plain(name, detail) {
  return { insert: `${name} `, label: name, detail };
}
