// What a typed line asks of the server, as requests of docs/protocol.md.

// What shows nothing at the beginning of a line; what looks like a slash there, before a word; and words that secrets follow.
const UNSEEN = /^[\p{Z}\p{C}\p{M}\u115f\u1160\u2800\u3164\uffa0]+/u;
const SLASH = /^(?:[／⁄∕⧸⟋╱⫽⫻⧶⁁ꜘ᜵⹊㇓⼃](?=\s*\p{L})|[ノﾉ丿〳Ⳇ](?=\s*[A-Za-z]))/u;
const SECRETIVE = /^(?:register|password|unregister|login|oper|nick|identify)\s/iu;

// Whether it is how one leaves: on this page alone, not by the server's closing, after which a page comes back.
export function leaves(line) {
  return /^(?:exit|\/(?:exit|quit)(?:\s.*)?)$/iu.test(line.replace(/[\p{Cc}\p{Cf}]/gu, "").normalize("NFKC").trim());
}

// The room that the page's address leads to, as `#tea`; null if it names none.
export function roomOf(hash) {
  try {
    return hash.length > 1 ? decodeURIComponent(hash) : null;
  } catch {
    return hash; // a % that stands for itself: the server says what is wrong with it
  }
}

// The request for one line in a channel; null if there is nothing in it. `//` says what begins with a slash.
export function requestOf(line, channel) {
  const text = line.normalize("NFC").trimEnd();
  if (!text.trim()) return null;
  const typed = text.replace(UNSEEN, "").replace(SLASH, "/");
  if (typed.startsWith("/") && !typed.startsWith("//")) {
    return channel.private ? { type: "line", text: typed } : { type: "line", room: channel.key, text: typed };
  }
  if (SECRETIVE.test(typed) && !channel.private) return { type: "line", room: channel.key, text: typed }; // the server decides
  const said = text.startsWith("//") ? text.slice(1) : text;
  if (channel.private) return { type: "do", command: "msg", arguments: [channel.name, said] };
  return { type: "say", room: channel.key, text: said };
}
