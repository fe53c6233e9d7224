// What a typed line asks of the server, as requests of docs/protocol.md.

// Whether it is how one leaves: on this page alone, not by the server's closing, after which a page comes back.
export function leaves(line) {
  return /^(?:exit|\/(?:exit|quit)(?:\s.*)?)$/iu.test(line.trim());
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
  if (text.startsWith("/") && !text.startsWith("//")) {
    return channel.private ? { type: "line", text } : { type: "line", room: channel.key, text };
  }
  const said = text.startsWith("//") ? text.slice(1) : text;
  if (channel.private) return { type: "do", command: "msg", arguments: [channel.name, said] };
  return { type: "say", room: channel.key, text: said };
}
