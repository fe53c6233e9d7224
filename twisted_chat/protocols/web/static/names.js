// Names: when two are the same, their colour, and whether a text mentions one.

// How many colours there are: `.hue-0` and so on in style.css.
export const HUES = 12;

// The form two equal names share. The server's own is stricter; it lets nobody in who differs by what this one misses.
export function fold(name) {
  return name.normalize("NFKC").toLowerCase();
}

// A name's colour: the same on every page, whatever its case. FNV-1a, which spreads short texts well.
export function hue(name) {
  let hash = 0x811c9dc5;
  for (const char of fold(name)) hash = Math.imul(hash ^ char.codePointAt(0), 0x01000193) >>> 0;
  return ((hash ^ (hash >>> 15)) >>> 0) % HUES;
}

// What stands for a person in a circle: the first letter, with the marks that belong to it.
export function initial(name) {
  const [first] = new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(name);
  return first ? first.segment.toUpperCase() : "";
}

const patterns = new Map();

// Finds a name where it stands as a word of its own, in any case.
export function mentionOf(name) {
  if (!patterns.has(name)) {
    const letters = name.replace(/[\\^$.*+?()[\]{}|]/gu, "\\$&");
    patterns.set(name, new RegExp(`(?<![\\p{L}\\p{M}\\p{N}_])${letters}(?![\\p{L}\\p{M}\\p{N}_])`, "giu"));
  }
  return patterns.get(name);
}

export function mentions(text, name) {
  return text.search(mentionOf(name)) >= 0;
}

// How somebody has come in, from the words of `who`: {protocol, encrypted, away}.
export function way(words) {
  const [protocol, ...rest] = words.split(", ");
  return { protocol, encrypted: rest.includes("encrypted"), away: rest.includes("away") };
}
