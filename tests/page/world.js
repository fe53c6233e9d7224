// What the tests have in place of a browser: sockets, a clock, and a page's front that writes down what it is told.

import { Conversation } from "../../twisted_chat/protocols/web/static/conversation.js";

export class FakeSocket {
  constructor() {
    this.sent = [];
    this.closed = false;
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.closed = true;
  }

  // The server says this.
  hear(...events) {
    for (const event of events) this.onmessage({ data: JSON.stringify(event) });
  }
}

export class World {
  constructor() {
    this.sockets = [];
    this.timers = new Map();
    this.count = 0;
  }

  get socket() {
    return this.sockets.at(-1);
  }

  open() {
    this.sockets.push(new FakeSocket());
    return this.socket;
  }

  later(call, milliseconds) {
    this.timers.set(++this.count, { call, milliseconds });
    return this.count;
  }

  cancel(timer) {
    this.timers.delete(timer);
  }

  // The one timer that runs goes off. Returns how long it had to run, in milliseconds.
  pass() {
    const [[id, { call, milliseconds }], ...others] = this.timers;
    if (others.length) throw new Error("more than one timer");
    this.timers.delete(id);
    call();
    return milliseconds;
  }

  random() {
    return 1;
  }

  id() {
    return `id${++this.count}`;
  }
}

export class Front {
  constructor() {
    this.told = [];
  }

  happened(event, purpose) {
    this.told.push(purpose ? [event.type, purpose] : event.type);
  }

  settled(request, answer) {
    this.told.push(`${request.text} ${answer.type}`);
  }

  turnedAway(error) {
    this.told.push(`away ${error.code}`);
  }

  moved() {}
}

export const WELCOME = { type: "welcome", name: "Ann", log: "one", motd: [], commands: [["who", "/who [ROOM]"]] };

// A conversation that has come in, in #lobby.
export function talking(kept) {
  const world = new World();
  const front = new Front();
  const conversation = new Conversation(world, front, kept);
  conversation.enter("Ann");
  world.socket.onopen();
  world.socket.hear(WELCOME, { type: "people", room: "#lobby", names: ["Ann"], arriving: true });
  front.told.length = 0;
  return { world, front, conversation };
}
