// One row of the log as an element.

import { clock, dayName } from "./days.js";
import { face, make } from "./dom.js";
import { hue, initial } from "./names.js";
import { pieces } from "./pieces.js";
import { STATES } from "./words.js";

// Messages of one person that follow each other within this time stand under one name, in seconds.
const TOGETHER = 300;

// Whether a row goes on where the one before it stopped.
export function continues(row, before) {
  return row.kind === "said" && before?.kind === "said" && row.author === before.author && row.time - before.time < TOGETHER;
}

// `look` has the reader's `name`, and `before`, the row above, and `first`: the unread begin here.
export function rowElement(row, { name, before, first = false }) {
  const classes = ["row", row.kind, row.own ? "own" : "", row.mention ? "mention" : "", row.bad ? "bad" : ""];
  const time = make("time", { dateTime: new Date(row.time * 1000).toISOString() }, clock(row.time));
  const element = make("div", { className: classes.filter(Boolean).join(" ") });
  if (row.seq) element.dataset.seq = row.seq;
  if (first) element.classList.add("first-unread");
  if (row.kind === "event" || row.kind === "answer") {
    element.append(
      make("span", { className: "text" }, ...row.text.split("\n").map((line) => make("span", { className: "line" }, line))),
      time,
    );
    return element;
  }
  const goesOn = continues(row, before) && !first;
  const author = make("b", { className: `author hue-${hue(row.author)}`, dir: "auto" }, row.author);
  if (goesOn) element.classList.add("goes-on");
  else element.append(face(hue(row.author), initial(row.author)));
  const head = make("span", { className: "head" }, author, " ", time);
  const text = make("span", { className: "text", dir: "auto" }, ...textNodes(row, name));
  element.append(head, text);
  if (row.state) element.append(mark(row));
  return element;
}

function textNodes(row, name) {
  return pieces(row.text, row.own ? "" : name).map(({ text, kind }) => {
    if (kind === "link") return make("a", { href: text, target: "_blank", rel: "noopener noreferrer" }, text);
    return kind === "mention" ? make("mark", {}, text) : document.createTextNode(text);
  });
}

// What has become of one's own message.
function mark(row) {
  const words = row.why ? `${STATES[row.state]}: ${row.why}` : STATES[row.state];
  const sign = { sending: "○", shown: "○", kept: "✓", delivered: "✓" }[row.state];
  if (!sign) return make("span", { className: `mark ${row.state}` }, words);
  return make("span", { className: `mark ${row.state}`, title: words, role: "img", "aria-label": words }, sign);
}

// A line between two days.
export function dayElement(time, now) {
  return make(
    "div",
    { className: "day", role: "separator", "aria-label": dayName(time, now) },
    make("span", {}, dayName(time, now)),
  );
}
