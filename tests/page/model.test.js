// What the page knows follows from what the server says.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Model } from "../../twisted_chat/protocols/web/static/model.js";
import { WELCOME } from "./world.js";

const said = (seq, author, text, room = "#lobby") => ({ type: "said", seq, time: seq, room, author, text });
const history = (...events) => ({ type: "history", room: "#lobby", events, today: 100 });
const texts = (channel) => channel.timeline.rows.map((row) => row.text);

function lobby(...past) {
  const model = new Model();
  model.happened(WELCOME);
  if (past.length) model.happened(history(...past));
  model.happened({ type: "people", room: "#lobby", names: ["Ann", "Bo"], topic: "all", arriving: true });
  return { model, channel: model.channels.get("#lobby") };
}

test("a message is pending, then shown where it stands among the others', then kept", () => {
  const { model, channel } = lobby();
  const request = { type: "say", id: "1", room: "#lobby", text: "hi" };
  model.sent(request, 1);
  assert.equal(channel.pending[0].state, "sending");
  model.happened(said(4, "Bo", "before"));
  model.happened(said(5, "Ann", "hi"));
  assert.equal(channel.pending.length, 0);
  assert.equal(channel.timeline.get(5).state, "shown");
  model.settled(request, { type: "receipt", id: "1", seq: 5, kept: true });
  assert.equal(channel.timeline.get(5).state, "kept");
  assert.deepEqual(texts(channel), ["before", "hi"]);
});

test("a receipt that comes before its event, or says that nothing was kept, is not lost", () => {
  const { model, channel } = lobby();
  const request = { type: "say", id: "1", room: "#lobby", text: "a\u0007b" };
  model.sent(request, 1);
  model.settled(request, { type: "receipt", id: "1", seq: 5, kept: false });
  assert.equal(channel.pending.length, 0);
  model.happened(said(5, "Ann", "ab"));
  assert.equal(channel.timeline.get(5).state, "lost");
});

test("a refused message stays, with the reason, until it is given up", () => {
  const { model, channel } = lobby();
  const request = { type: "say", id: "1", room: "#lobby", text: "hi" };
  model.sent(request, 1);
  model.settled(request, { type: "error", id: "1", code: "too-often", text: "Slowly." });
  assert.equal(channel.pending[0].why, "Slowly.");
  model.giveUp(channel, channel.pending[0]);
  assert.equal(channel.pending.length, 0);
});

test("a message that a crash took from the log, and that was sent again, stands once", () => {
  const { model, channel } = lobby();
  const request = { type: "say", id: "1", room: "#lobby", text: "hi" };
  model.sent(request, 1);
  model.happened(said(5, "Ann", "hi"));
  model.happened(said(1000, "Ann", "hi"));
  model.settled(request, { type: "receipt", id: "1", seq: 1000, kept: true });
  assert.deepEqual(texts(channel), ["hi"]);
  assert.equal(channel.timeline.get(1000).state, "kept");
});

test("what was read on twice stands once, and older messages stand before", () => {
  const { model, channel } = lobby(said(5, "Bo", "five"));
  model.happened(said(6, "Bo", "six"));
  model.happened(said(6, "Bo", "six"));
  const changes = model.happened(history(said(3, "Bo", "three"), said(4, "Bo", "four")), { older: true, room: "#lobby" });
  assert.equal(changes[0].where, "start");
  assert.deepEqual(texts(channel), ["three", "four", "five", "six"]);
  assert.equal(channel.complete, false);
  model.happened(history(), { older: true, room: "#lobby" });
  assert.equal(channel.complete, true);
});

test("a past that somebody typed for does not get among the rows: it may leave out some", () => {
  const { model, channel } = lobby(said(5, "Bo", "five"));
  model.happened(history(said(1, "Bo", "one")));
  assert.deepEqual(texts(channel), ["five"]);
  assert.equal(model.found.events.length, 1);
});

test("unread messages and mentions are counted, until one looks; then the place is marked", () => {
  const { model } = lobby();
  model.happened({ type: "people", room: "#ci", names: ["Ann"], arriving: true });
  model.happened(said(5, "Bo", "hello", "#ci"));
  model.happened(said(6, "Bo", "ANN!", "#ci"));
  model.happened(said(7, "Ann", "Ann said so", "#ci"));
  const channel = model.channels.get("#ci");
  assert.deepEqual([channel.unread, channel.mentions], [2, 1]);
  model.look(channel);
  assert.deepEqual([channel.unread, channel.mentions, channel.unreadFrom], [0, 0, 5]);
  model.look(model.channels.get("#lobby"));
  assert.equal(channel.unreadFrom, null);
});

test("private messages stand in a talk of their own, whoever began", () => {
  const { model } = lobby();
  model.happened({ type: "whispered", seq: 5, time: 5, author: "Bo", to: "Ann", text: "psst" });
  model.happened({ type: "told", seq: 6, time: 6, author: "Ann", to: "BO", text: "yes?" });
  const talk = model.channels.get("@bo");
  assert.deepEqual(texts(talk), ["psst", "yes?"]);
  assert.deepEqual([talk.name, talk.mentions], ["Bo", 1]);
});

test("people come, go, are called otherwise, and are away", () => {
  const { model, channel } = lobby();
  const ways = ["browser, encrypted", "telnet or nc, away"];
  model.happened({ type: "people", room: "#lobby", names: ["Ann", "Bo"], how: ways }, { who: "#lobby" });
  assert.deepEqual(channel.here[1], { name: "Bo", protocol: "telnet or nc", encrypted: false, away: true });
  model.happened({ type: "renamed", seq: 5, time: 5, room: "#lobby", name: "Bo", new: "Bob" });
  model.happened({ type: "described", seq: 6, time: 6, room: "#lobby", name: "Bob", what: "away" });
  assert.deepEqual(channel.here[1], { name: "Bob", protocol: "telnet or nc", encrypted: false, away: false });
  model.happened({ type: "joined", seq: 7, time: 7, room: "#lobby", name: "Cy", here: 3 });
  assert.ok(channel.unknown);
  model.happened({ type: "left", seq: 8, time: 8, room: "#lobby", name: "Bob", here: 2, reason: "lunch" });
  assert.deepEqual(
    channel.here.map((person) => person.name),
    ["Ann", "Cy"],
  );
  assert.equal(texts(channel).at(-1), "Bob left (2 here): lunch");
});

test("a talk goes on when the other takes another name", () => {
  const { model } = lobby();
  model.happened({ type: "whispered", seq: 5, time: 5, author: "Bo", to: "Ann", text: "psst" });
  const request = { type: "do", id: "1", command: "msg", arguments: ["Bo", "yes?"] };
  model.sent(request, 1);
  model.happened({ type: "renamed", seq: 6, time: 6, room: "#lobby", name: "Bo", new: "Bob" });
  model.happened({ type: "whispered", seq: 7, time: 7, author: "Bob", to: "Ann", text: "it is me" });
  assert.deepEqual([...model.channels.keys()], ["#lobby", "@bob"]);
  const talk = model.channels.get("@bob");
  assert.deepEqual([talk.name, texts(talk)], ["Bob", ["psst", "it is me"]]);
  model.settled(request, { type: "error", id: "1", code: "no-such-person", text: "Nobody here is called Bo." });
  assert.equal(talk.pending[0].state, "refused");
});

test("the text of a deleted message is gone from the page", () => {
  const { model, channel } = lobby(said(5, "Bo", "secret"));
  model.happened({ type: "deleted", seq: 6, time: 6, room: "#lobby", name: "Op", target: 5 });
  assert.deepEqual(texts(channel), ["(deleted)", "Op deleted a message"]);
});

test("in another log the rows begin anew", () => {
  const { model, channel } = lobby(said(500, "Bo", "old"));
  model.happened({ ...WELCOME, log: "two" });
  model.happened(history(said(1, "Bo", "new")));
  assert.deepEqual(texts(channel), ["new"]);
});

test("a name like one of JavaScript's own is a name", () => {
  const { model, channel } = lobby();
  model.happened({ type: "joined", seq: 5, time: 5, room: "#lobby", name: "__proto__x", here: 3 });
  model.happened(said(6, "constructor", "hi"));
  model.happened({ type: "whispered", seq: 7, time: 7, author: "constructor", to: "Ann", text: "hi" });
  assert.equal(channel.timeline.get(6).author, "constructor");
  assert.equal(model.channels.get("@constructor").timeline.rows.length, 1);
  for (const type of ["constructor", "toString", "__proto__"]) assert.deepEqual(model.happened({ type, room: "#lobby" }), []);
});
