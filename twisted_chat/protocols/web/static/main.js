// Puts the page together: the conversation with the server, what is known from it, and what is drawn.

import { Attention } from "./attention.js";
import { Conversation } from "./conversation.js";
import { find } from "./dom.js";
import { Entrance } from "./entrance.js";
import { channelsOf, read, restore, write } from "./keeping.js";
import { Model } from "./model.js";
import { leaves, requestOf, roomOf } from "./requests.js";
import { Searching } from "./searching.js";
import { View } from "./view.js";

// How many older messages are asked for at once: a few windows; and many, to get to one that was found.
const OLDER = 100;
const FAR = 500;
// How often it is asked at most by which protocol people have come in, in milliseconds.
const WHO_EVERY = 4000;
const THEMES = { auto: "◐", light: "☀", dark: "☾" };

const now = () => Date.now() / 1000;
const world = {
  open: () => new WebSocket(new URL("ws", location.href).href.replace(/^http/u, "ws")),
  later: (call, milliseconds) => setTimeout(call, milliseconds),
  cancel: (timer) => clearTimeout(timer),
  random: Math.random,
  id: () => [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16).padStart(8, "0")).join(""),
};

const model = new Model();
const attention = new Attention();
const page = find("#chat");
let joining = false; // the next room one arrives in is to be looked at
let target = null; // {room, seq}: what was found, until it is shown
let whoTimer = null;

const conversation = new Conversation(
  world,
  {
    happened(event, purpose) {
      show(model.happened(event, purpose, now()));
      if (event.type === "welcome") welcomed();
      else if (event.type === "people" && event.arriving) arrived(event.room);
      else if (event.type === "error" && event.prompt) askSecret(event.text);
      else if (purpose?.older) goOn();
    },
    settled(request, event) {
      show(model.settled(request, event, now()));
      if (event.type === "error" && event.prompt) askSecret(event.text);
      keep();
    },
    turnedAway(error) {
      conversation.stop();
      page.hidden = true;
      entrance.show(conversation.name);
      entrance.say(error.text, error.code);
    },
    moved() {
      view.status(conversation.status);
      if (page.hidden && conversation.status === "waiting") entrance.say("The server does not answer. Trying again…");
    },
  },
  read("conversation"),
);

const entrance = new Entrance(find("#entrance"), (name, password, code, claim) => {
  const room = roomOf(location.hash);
  if (room && !model.current) conversation.rooms = { [room]: null };
  conversation.enter(name, password, code, claim);
});

const acts = {
  now,
  look,
  older: (channel) => ask(channel, OLDER),
  seen: () => !document.hidden && show(model.read(model.current)),
  talk: (name) => look(model.talk(name)),
  giveUp: (channel, row) => {
    show(model.giveUp(channel, row));
    view.composer.put(row.text);
  },
  close(channel) {
    if (channel.joined && !channel.private) conversation.ask("leave", [channel.key], {});
    model.forget(channel);
    show([]);
  },
  send(line) {
    if (leaves(line)) return leave(line);
    joining ||= /^\/join\b/iu.test(line);
    const request = requestOf(line, model.current);
    if (request) show(model.sent(conversation.say(request), now()));
    view.log.toEnd();
    keep();
  },
  join(name) {
    joining = true;
    if (name) conversation.ask("join", name.split(/\s+/u), {});
  },
  search: (words) => (words ? conversation.ask("search", [words], { words }) : searching.hide()),
  leave: () => leave("/quit"),
  back: () => conversation.connect(),
  drawn: () => attention.draw(model.channels.values(), model.current),
};

const view = new View(page, model, acts);
const searching = new Searching(find("#found"), {
  search: acts.search,
  closed: () => view.composer.field.focus(),
  go(room, seq) {
    if (!model.channels.has(room)) return;
    target = { room, seq };
    look(model.channels.get(room));
    if (innerWidth < 900) searching.hide();
    requestAnimationFrame(goOn);
  },
});

function show(changes) {
  for (const { what, channel, rows } of changes) {
    if (what === "found") searching.show(model.found, now());
    else if (what === "listed") view.listed(model.listed);
    else if (what === "people") findOut(channel);
    else if (what === "rows" && rows.at(-1)?.mention && channel.unread)
      attention.notify(rows.at(-1), channel, () => look(channel));
  }
  view.changed(changes);
}

function look(channel) {
  show(model.look(channel));
  conversation.room = channel.private ? conversation.room : channel.key;
  view.open(null);
  if (!matchMedia("(pointer: coarse)").matches) view.composer.field.focus();
}

function welcomed() {
  entrance.hide();
  page.hidden = false;
  write("name", conversation.name, localStorage);
  conversation.ask("help", [], { explaining: true });
  conversation.ask("rooms", [], { listing: true });
  if (!matchMedia("(pointer: coarse)").matches) view.composer.field.focus();
  keep();
}

function arrived(room) {
  if (joining) look(model.channels.get(room));
  joining = false;
}

// Ask for older messages of a channel, unless they are on their way, or there are none.
function ask(channel, count) {
  if (channel.asking || channel.complete || !channel.joined) return;
  channel.asking = conversation.ask("history", channel.older(count), { older: true, room: channel.key });
}

// Read back until what was found is there.
function goOn() {
  const channel = target && model.channels.get(target.room);
  if (!channel || channel !== model.current) return;
  if (channel.timeline.get(target.seq)) {
    view.draw();
    view.log.reveal(target.seq);
    target = null;
  } else if (channel.complete) target = null;
  else ask(channel, FAR);
}

// Ask how people have come in, if that is not known of some; not at every step of a crowd.
function findOut(channel) {
  if (channel !== model.current || !channel.unknown || whoTimer) return;
  conversation.ask("who", [channel.key], { who: channel.key });
  whoTimer = setTimeout(() => ((whoTimer = null), model.current && findOut(model.current)), WHO_EVERY);
}

function leave(line) {
  conversation.leave(line);
  location.reload();
}

// The server wants a password: it is asked for where it is not seen, and goes nowhere else.
function askSecret(question) {
  const dialog = find("#secret");
  find("label", dialog).textContent = question;
  dialog.showModal();
}

function theme(chosen) {
  document.documentElement.dataset.theme = chosen;
  const button = find(".theme", page);
  button.textContent = THEMES[chosen];
  button.ariaLabel = `Colours: ${chosen}`;
  write("theme", chosen, localStorage);
}

// So that a page that is loaded again, or was put away by a phone, goes on where it was.
function keep() {
  const out = conversation.status === "out"; // the next who comes in may be somebody else
  write("conversation", out ? undefined : conversation.state);
  write("channels", out ? undefined : channelsOf(model));
}

async function notifying(wanted) {
  attention.wanted = wanted && (await attention.ask());
  find(".notify", page).ariaPressed = String(attention.wanted);
  write("notify", attention.wanted, localStorage);
}

// Days are called otherwise after midnight.
function tomorrow() {
  setTimeout(
    () => {
      for (const log of view.logs.values()) log.draw();
      tomorrow();
    },
    new Date().setHours(24, 0, 1, 0) - Date.now(),
  );
}

function start() {
  const names = Object.keys(THEMES);
  theme(names.includes(read("theme", localStorage)) ? read("theme", localStorage) : "auto");
  find(".theme", page).addEventListener("click", () => {
    theme(names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length]);
  });
  find(".notify", page).hidden = !attention.possible;
  find(".notify", page).addEventListener("click", () => notifying(!attention.wanted));
  if (read("notify", localStorage)) notifying(true);
  const secret = find("#secret");
  secret.addEventListener("close", () => {
    conversation.answer(secret.returnValue === "ok" ? find("input", secret).value : "");
    find("input", secret).value = "";
  });
  tomorrow();
  addEventListener("online", () => conversation.check());
  addEventListener("pagehide", keep);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return keep();
    conversation.check();
    if (model.current?.unread) show(model.look(model.current));
  });
  if (conversation.name) {
    restore(model, read("channels"), conversation.rooms);
    model.name = conversation.name;
    page.hidden = false;
    for (const request of conversation.pending.values()) show(model.sent(request, now()));
    show([]);
    conversation.connect();
  } else entrance.show(read("name", localStorage));
}

start();
