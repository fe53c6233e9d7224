// Names, days, links, completion and what a typed line asks for.

import assert from "node:assert/strict";
import { test } from "node:test";

import { complete } from "../../twisted_chat/protocols/web/static/completion.js";
import { dayName, dayOf, duration } from "../../twisted_chat/protocols/web/static/days.js";
import { fold, hue, HUES, initial, mentions, way } from "../../twisted_chat/protocols/web/static/names.js";
import { pieces } from "../../twisted_chat/protocols/web/static/pieces.js";
import { leaves, requestOf, roomOf } from "../../twisted_chat/protocols/web/static/requests.js";
import { Timeline, MOST } from "../../twisted_chat/protocols/web/static/timeline.js";
import { title } from "../../twisted_chat/protocols/web/static/words.js";

test("a name is mentioned where it is a word, in any case and script, whatever signs it has", () => {
  for (const text of ["Ann?", "hi ann", "@ANN", "(Ann)", "Ann"]) assert.ok(mentions(text, "Ann"), text);
  for (const text of ["Anna", "Joann", "Ann_1", "Ann\u0301"]) assert.ok(!mentions(text, "Ann"), text);
  assert.ok(mentions("was meint Jürgen.x?", "jürgen.x"));
  assert.ok(!mentions("jürgenxx", "jürgen.x"));
  assert.ok(mentions("a-b'c", "A-b'c"));
});

test("a name has one colour, whatever its case, and names spread over all of them", () => {
  assert.equal(hue("SIMRAN"), hue("simran"));
  const hues = new Set(Array.from({ length: 200 }, (_, at) => hue(`user${at}`)));
  assert.deepEqual(
    [...hues].sort((one, other) => one - other),
    Array.from({ length: HUES }, (_, at) => at),
  );
  assert.equal(initial("élan"), "É");
  assert.equal(fold("ＡＮＮ"), "ann");
});

test("the words of who are read", () => {
  assert.deepEqual(way("telnet or nc, encrypted, away"), { protocol: "telnet or nc", encrypted: true, away: true });
});

test("only web addresses become links, and the text stays what it was", () => {
  const texts = [
    "see https://a.example/b?c=d. Or http://e.example, (https://f.example/g)!",
    "javascript:alert(1) data:text/html,x <a href='https://x.example'>",
    "https:// http://",
    "",
  ];
  for (const text of texts)
    assert.equal(
      pieces(text, "Ann")
        .map((piece) => piece.text)
        .join(""),
      text,
    );
  const links = (text) =>
    pieces(text, "")
      .filter((piece) => piece.kind === "link")
      .map((piece) => piece.text);
  assert.deepEqual(links(texts[0]), ["https://a.example/b?c=d", "http://e.example", "https://f.example/g"]);
  assert.deepEqual(links(texts[1]), ["https://x.example"]);
  assert.deepEqual(links(texts[2]), []);
  assert.deepEqual(
    pieces("Ann: https://x.example/Ann", "Ann").map((piece) => piece.kind),
    ["mention", "plain", "link"],
  );
});

test("days have names", () => {
  const noon = new Date(2026, 10, 24, 12).getTime() / 1000;
  const day = 86_400;
  assert.equal(dayName(noon + 3600, noon), "Today");
  assert.equal(dayName(noon - 13 * 3600, noon), "Yesterday");
  assert.match(dayName(noon - 3 * day, noon), /21/);
  assert.match(dayName(noon - 400 * day, noon), /2025/);
  assert.notEqual(dayOf(noon), dayOf(noon + 13 * 3600));
  assert.equal(duration(59), "59 seconds");
  assert.equal(duration(3600), "1 hour");
});

const known = {
  commands: [
    ["/topic [TEXT...]", "What it is about"],
    ["/msg NAME TEXT...", ""],
  ],
  people: ["Bo", "Börje"],
  rooms: ["#ci", "#lobby"],
};
const inserts = (text) => complete(text, known).options.map((option) => option.insert);

test("commands, people and rooms are completed where they can stand", () => {
  assert.deepEqual(inserts("/to"), ["/topic "]);
  assert.deepEqual(inserts("/"), ["/topic ", "/msg "]);
  assert.deepEqual(inserts("bo"), ["Bo: "]);
  assert.deepEqual(inserts("well, BÖ"), ["Börje "]);
  assert.deepEqual(inserts("/msg "), ["Bo ", "Börje "]);
  assert.deepEqual(inserts("@"), ["Bo: ", "Börje: "]);
  assert.deepEqual(inserts("/join #c"), ["#ci "]);
  for (const text of ["", "b", "nobody", "and/or", "/topic bö "]) assert.deepEqual(inserts(text), [], text);
  assert.equal(complete("hi bo", known).from, 3);
});

test("a typed line becomes the request it stands for", () => {
  const room = { key: "#ci", name: "#ci", private: false };
  const talk = { key: "@bo", name: "Bo", private: true };
  assert.deepEqual(requestOf("hi ", room), { type: "say", room: "#ci", text: "hi" });
  assert.deepEqual(requestOf("/me waves", room), { type: "line", room: "#ci", text: "/me waves" });
  assert.deepEqual(requestOf("//etc", room), { type: "say", room: "#ci", text: "/etc" });
  assert.deepEqual(requestOf("hi", talk), { type: "do", command: "msg", arguments: ["Bo", "hi"] });
  assert.deepEqual(requestOf("/who #ci", talk), { type: "line", text: "/who #ci" });
  assert.equal(requestOf("  ", room), null);
  for (const sign of ["／", "\u200b/", "\ufeff /", "⁄", "∕ ", "\u00a0⧸", "ノ", "/\u200b"]) {
    const { type, text } = requestOf(`${sign}register hunter22`, talk);
    assert.equal(type, "line", sign);
    assert.ok(text.startsWith("/"), sign);
  }
  for (const line of ["ノート", "(/o\\)", "＼(^o^)／", "a / b"]) assert.equal(requestOf(line, room).type, "say", line);
  assert.equal(requestOf("register hunter22", room).type, "line");
  for (const line of ["exit", "/quit so long", " EXIT ", "ｅｘｉｔ", "\u200bexit"]) assert.ok(leaves(line), line);
  for (const line of ["exit now", "/quite", "quit"]) assert.ok(!leaves(line), line);
});

test("the page's address may name a room", () => {
  assert.equal(roomOf("#tea"), "#tea");
  assert.equal(roomOf("#caf%C3%A9"), "#café");
  assert.equal(roomOf("#100%"), "#100%");
  assert.equal(roomOf(""), null);
});

test("the oldest rows go when there are too many", () => {
  const timeline = new Timeline();
  timeline.add(Array.from({ length: MOST + 1 }, (_, at) => ({ seq: at + 1 })));
  const gone = timeline.trim();
  assert.equal(timeline.oldest, gone.length + 1);
  assert.equal(timeline.get(gone.length), undefined);
  assert.ok(timeline.rows.length < MOST);
  assert.equal(timeline.trim().length, 0);
});

test("rows that belong between others come to stand there", () => {
  const timeline = new Timeline();
  timeline.add([{ seq: 1 }, { seq: 5 }, { text: "aside" }]);
  assert.equal(timeline.add([{ seq: 3 }, { seq: 7 }]).where, "all");
  assert.deepEqual(
    timeline.rows.map((row) => row.seq ?? row.text),
    [1, 3, 5, "aside", 7],
  );
});

test("the title says what is unread", () => {
  assert.equal(title(0, 0, "#ci"), "#ci · twisted_chat");
  assert.equal(title(0, 3, "#ci"), "(3) #ci · twisted_chat");
  assert.equal(title(1, 3, undefined), "(1!) twisted_chat");
});
