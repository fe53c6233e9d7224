// A text as pieces: plain, a link, or a mention. Whatever they say, the page shows them as text.

import { mentionOf } from "./names.js";

// Only what can lead nowhere but to a web page; what ends a sentence does not belong to it.
const LINK = /\bhttps?:\/\/[^\s<>"]+[^\s<>"'.,;:!?…)\]}]/giu;

// A list of {text, kind}: `kind` is "plain", "link" or "mention". Joined, the texts are the text.
export function pieces(text, name) {
  const found = [...text.matchAll(LINK)].map((match) => ({ at: match.index, text: match[0], kind: "link" }));
  for (const match of name ? text.matchAll(mentionOf(name)) : []) {
    const inLink = found.some((link) => link.at <= match.index && match.index < link.at + link.text.length);
    if (!inLink) found.push({ at: match.index, text: match[0], kind: "mention" });
  }
  found.sort((one, other) => one.at - other.at);
  const result = [];
  let end = 0;
  for (const { at, text: part, kind } of found) {
    if (at > end) result.push({ text: text.slice(end, at), kind: "plain" });
    result.push({ text: part, kind });
    end = at + part.length;
  }
  if (end < text.length) result.push({ text: text.slice(end), kind: "plain" });
  return result;
}
