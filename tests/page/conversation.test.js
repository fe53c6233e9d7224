// A conversation outlives its connections: nothing is missed, and nothing said twice.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Conversation } from "../../twisted_chat/protocols/web/static/conversation.js";
import { Front, talking, WELCOME, World } from "./world.js";

const said = (seq, text = "x") => ({ type: "said", seq, time: 1, room: "#lobby", author: "Bo", text });
const types = (socket) => socket.sent.map((request) => request.type);

test("a new connection reads on after the last number seen in each room", () => {
  const { world } = talking();
  world.socket.hear(said(7), said(9));
  world.socket.onclose();
  world.pass();
  world.socket.onopen();
  const [hello] = world.socket.sent;
  assert.deepEqual(hello.rooms, { "#lobby": 9 });
  assert.equal(hello.log, "one");
  assert.equal(hello.client, world.sockets[0].sent[0].client);
});

test("what has no receipt is sent again under its id, once one is in; what has one is not", () => {
  const { world, conversation, front } = talking();
  const first = conversation.say({ type: "say", room: "#lobby", text: "first" });
  world.socket.hear({ type: "receipt", seq: 5, room: "#lobby", kept: true, id: first.id });
  const second = conversation.say({ type: "say", room: "#lobby", text: "second" });
  world.socket.onclose();
  const third = conversation.say({ type: "say", room: "#lobby", text: "third" });
  world.pass();
  world.socket.onopen();
  assert.deepEqual(types(world.socket), ["hello"]);
  world.socket.hear(WELCOME);
  assert.deepEqual(world.socket.sent.slice(1), [
    { ...second, again: true },
    { ...third, again: true },
  ]);
  assert.deepEqual(front.told, ["first receipt", "welcome"]);
});

test("in another log the numbers mean nothing, and are forgotten", () => {
  const { world, conversation } = talking();
  world.socket.hear(said(7));
  world.socket.hear({ ...WELCOME, log: "two" });
  assert.deepEqual(conversation.rooms, { "#lobby": null });
});

test("waits grow to half a minute, and a welcome makes them short again", () => {
  const { world } = talking();
  const waits = [];
  for (let time = 0; time < 9; time++) {
    world.socket.onclose();
    waits.push(world.pass());
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  world.socket.onopen();
  world.socket.hear(WELCOME);
  world.socket.onclose();
  assert.equal(world.pass(), 500);
});

test("a silent connection is asked for a sign of life, and given up without one", () => {
  const { world, conversation } = talking();
  world.pass();
  assert.equal(types(world.socket).at(-1), "ping");
  world.socket.hear({ type: "pong" });
  world.pass();
  world.pass(); // no answer this time
  assert.equal(conversation.status, "waiting");
  assert.ok(world.socket.closed);
});

test("a connection that never opens is given up", () => {
  const world = new World();
  const conversation = new Conversation(world, new Front());
  conversation.enter("Ann");
  world.pass();
  assert.equal(conversation.status, "waiting");
});

test("who is turned away, or taken over by another page, does not come back by itself", () => {
  const { world, conversation, front } = talking();
  world.socket.hear({ type: "error", code: "taken-over", text: "You are elsewhere." });
  assert.equal(conversation.status, "out");
  assert.equal(world.timers.size, 0);
  conversation.connect();
  world.socket.onopen();
  world.socket.hear({ type: "error", code: "name-taken", text: "Taken.", id: "hello" });
  assert.equal(front.told.at(-1), "away name-taken");
});

test("after a reload all goes on from what was kept, which has no password", () => {
  const { world, conversation } = talking();
  conversation.password = "secret";
  world.socket.hear(said(7));
  const pending = conversation.say({ type: "say", room: "#lobby", text: "unheard" });
  const kept = JSON.parse(JSON.stringify(conversation.state));
  assert.ok(!JSON.stringify(kept).includes("secret"));
  const again = new World();
  new Conversation(again, new Front(), kept).connect();
  again.socket.onopen();
  assert.deepEqual(again.socket.sent[0].rooms, { "#lobby": 7 });
  again.socket.hear(WELCOME);
  assert.deepEqual(again.socket.sent[1], { ...pending, again: true });
});

test("an answer that the page asked for is told apart from one that a person asked for", () => {
  const { world, conversation, front } = talking();
  conversation.ask("rooms", [], { listing: true });
  const { id } = world.socket.sent.at(-1);
  world.socket.hear({ type: "rooms", rooms: [] }, { type: "ok", id }, { type: "rooms", rooms: [] });
  assert.deepEqual(front.told, [["rooms", { listing: true }], ["ok", { listing: true }], "rooms"]);
});

test("one's own moves are followed: rooms, name, and being sent out", () => {
  const { world, conversation } = talking();
  world.socket.hear(
    { type: "joined", seq: 3, room: "#ci", name: "Ann", here: 1 },
    { type: "renamed", seq: 4, room: "#ci", name: "Ann", new: "Anna" },
  );
  assert.equal(conversation.name, "Anna");
  assert.deepEqual(conversation.rooms, { "#lobby": null, "#ci": 4 });
  world.socket.hear({ type: "kicked", seq: 5, room: "#lobby", name: "anna", operator: "Op", here: 0 });
  assert.deepEqual(conversation.rooms, { "#ci": 4 });
  assert.equal(conversation.room, "#ci");
});

test("what is no object is passed over", () => {
  const { world, front } = talking();
  for (const data of ["", "null", "17", "Welcome!", "[]", '"x"']) world.socket.onmessage({ data });
  assert.deepEqual(front.told, [undefined]); // the list: an object without a type
});
