// A conversation with the server that outlives its connections: the browser's twin of `twisted_chat/client/connection.py`.
//
// 1. A message has an id of its own and is pending until its receipt comes. After a reconnect it is sent again, under the
//    same id, and the server's log keeps one copy.
// 2. In each room it is remembered how far one has read; after a reconnect the server is asked to go on from there.
// 3. What the page asks for itself (`ask`) is told apart from what a person typed by its purpose. It is not asked again.
// 4. A connection that is silent is asked whether it lives. One that is lost is made anew, after a wait that doubles.
// 5. Sockets, clocks and random numbers come from outside (`world`): the tests have their own.

import { fold } from "./names.js";

// The first wait before another connection is tried, and the longest, in milliseconds.
const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
// After how long a silence the server is asked for a sign of life, and how long that may take, in milliseconds.
const SILENCE = 25_000;
const PATIENCE = 10_000;
// Which answer each command that the page asks for gets.
const ANSWERED_BY = { history: "history", help: "help", rooms: "rooms", who: "people", search: "found" };

export class Conversation {
  // `world` has `open()` for a new WebSocket, `later(call, milliseconds)`, `cancel(timer)`, `random()` and `id()`.
  // `kept` is what `state` gave before the page was loaded again. `front` is told what happens:
  // `happened(event, purpose)`, `settled(request, answer)`, `turnedAway(error)` and `moved()`, when `status` is another.
  constructor(world, front, kept = {}) {
    this.front = front;
    this.name = kept.name ?? "";
    this.rooms = kept.rooms ?? {};
    this.room = kept.room ?? null; // the current one
    this.pending = new Map((kept.pending ?? []).map((request) => [request.id, request]));
    this.status = "out"; // "connecting", "in", "waiting" for another try, or "out": nobody wants one
    this.password = this.code = this.claim = null;
    this._world = world;
    this._client = kept.client ?? world.id();
    this._log = kept.log ?? null;
    this._asked = new Map();
    this._socket = this._timer = null;
    this._wait = FIRST_WAIT;
  }

  // All that is needed to go on after the page was loaded again, except the password: it is nowhere kept.
  get state() {
    const { name, rooms, room, _client: client, _log: log } = this;
    return { name, rooms, room, client, log, pending: [...this.pending.values()] };
  }

  mine(name) {
    return fold(name) === fold(this.name);
  }

  // Come in under a name, now and after each loss of the connection. `code` is an invitation, `claim` the code of an
  // operator's name.
  enter(name, password = null, code = null, claim = null) {
    Object.assign(this, { name, password, code, claim });
    this.connect();
  }

  // Try a connection at once, unless there is one.
  connect() {
    if (this._socket !== null) return;
    this._later(null);
    this._move("connecting");
    const socket = (this._socket = this._world.open());
    socket.onopen = () => this._hello();
    socket.onmessage = (message) => this._heard(message.data);
    socket.onclose = () => this._lost();
    this._later(() => this._lost(), PATIENCE);
  }

  // Ask the server for a sign of life at once: after the machine has slept, say.
  check() {
    if (this.status === "waiting") this.connect();
    else if (this.status === "in") this._ping();
  }

  // Go, in good order, and stay away. `line` is what a person has typed for it.
  leave(line = "/quit") {
    if (this.status === "in") this._send({ type: "line", text: line });
    this.pending.clear();
    this.stop();
  }

  // End this connection, and make no other until one enters again.
  stop() {
    this._stop("out");
  }

  // Answer what the server has asked for, once. It can't become a message: where nothing is asked, it is refused.
  answer(text) {
    if (this.status !== "in") return;
    this._answer = { id: this._world.id(), text };
    this._send({ type: "answer", ...this._answer });
  }

  // Say something, now or as soon as there is a connection. Returns the request, which has its id.
  say(request) {
    const whole = { ...request, id: this._world.id() };
    this.pending.set(whole.id, whole);
    if (this.status === "in") this._send(whole);
    return whole;
  }

  // Ask for what the page needs. The answer is handed on with this purpose, which is an object. Returns whether it was asked.
  ask(command, words, purpose) {
    if (this.status !== "in") return false;
    const id = this._world.id();
    this._asked.set(id, { answer: ANSWERED_BY[command], purpose });
    this._send({ type: "do", id, command, arguments: words });
    return true;
  }

  _hello() {
    if (this.code) this._send({ type: "do", command: "code", arguments: [this.code] });
    const hello = { type: "hello", id: "hello", name: this.name, client: this._client };
    if (Object.keys(this.rooms).length) hello.rooms = this.rooms;
    if (this._log !== null) hello.log = this._log;
    if (this.password) hello.password = this.password;
    if (this.claim) hello.claim = this.claim;
    this._send(hello);
  }

  _send(request) {
    this._socket.send(JSON.stringify(request));
  }

  _heard(data) {
    this._later(() => this._ping(), SILENCE);
    let event;
    try {
      event = JSON.parse(data);
    } catch {
      return; // no object: a server's word to people
    }
    if (event === null || typeof event !== "object") return;
    if (event.type === "ok" && event.id === this._answer?.id && this._answer.text) this.password = this._answer.text;
    if (event.type === "welcome") this._welcomed(event);
    else if (event.type === "error" && event.id === "hello") return this.front.turnedAway(event);
    else if (event.type === "error" && event.code === "taken-over") this.stop();
    this._follow(event);
    const request = this.pending.get(event.id);
    this.pending.delete(event.id);
    if (request) this.front.settled(request, event);
    else this.front.happened(event, this._purpose(event));
  }

  _welcomed(welcome) {
    if (this._log !== null && this._log !== welcome.log) for (const room in this.rooms) this.rooms[room] = null;
    this._log = welcome.log;
    this.name = welcome.name;
    this.code = this.claim = null;
    this._wait = FIRST_WAIT;
    for (const request of this.pending.values()) this._send({ ...request, again: true });
    this._move("in");
  }

  // Which rooms one is in, and how far one has read there.
  _follow(event) {
    const { type, room } = event;
    if ((type === "people" && event.arriving) || (type === "joined" && this.mine(event.name))) {
      this.rooms[room] ??= null;
      this.room ??= room;
    } else if ((type === "left" || type === "kicked") && this.mine(event.name)) {
      delete this.rooms[room];
      if (this.room === room) this.room = Object.keys(this.rooms)[0] ?? null;
    } else if (type === "renamed" && this.mine(event.name)) {
      this.name = event.new;
    }
    if (event.seq && type !== "receipt" && room in this.rooms) {
      this.rooms[room] = Math.max(event.seq, this.rooms[room] ?? 0);
    }
  }

  _purpose(event) {
    if (event.type === "ok" || event.type === "error") {
      const asked = this._asked.get(event.id);
      this._asked.delete(event.id);
      return asked?.purpose;
    }
    for (const asked of this._asked.values()) {
      if (asked.answer === event.type && (event.type !== "history" || event.room === asked.purpose.room)) return asked.purpose;
    }
  }

  _ping() {
    this._send({ type: "ping" });
    this._later(() => this._lost(), PATIENCE);
  }

  _lost() {
    this._stop("waiting");
    this._later(() => this.connect(), this._wait * (0.5 + this._world.random() / 2));
    this._wait = Math.min(2 * this._wait, LONGEST_WAIT);
  }

  // Have nothing to do with this connection any more, also if the network never tells that it has ended.
  _stop(status) {
    this._later(null);
    if (this._socket !== null) {
      this._socket.onopen = this._socket.onmessage = this._socket.onclose = null;
      this._socket.close();
      this._socket = null;
    }
    this._asked.clear();
    this._move(status);
  }

  _move(status) {
    this.status = status;
    this.front.moved();
  }

  // The one thing that is to happen next, or nothing.
  _later(call, milliseconds) {
    this._world.cancel(this._timer);
    this._timer = call && this._world.later(call, milliseconds);
  }
}
