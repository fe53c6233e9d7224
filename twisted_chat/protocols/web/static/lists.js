// The lists beside the messages: rooms, private talks, and who is here.

import { face, find, make, setText } from "./dom.js";
import { hue, initial } from "./names.js";
import { unreadWords } from "./words.js";

// Make a list's children those that are wanted, each by its key, and touch nothing that stays: focus and screen readers
// would lose their place.
function keep(list, items, key, made, updated) {
  const there = new Map([...list.children].map((element) => [element.dataset.key, element]));
  items.forEach((item, at) => {
    const element = there.get(key(item)) ?? made(item);
    element.dataset.key = key(item);
    there.delete(key(item));
    updated(element, item);
    if (list.children[at] !== element) list.insertBefore(element, list.children[at] ?? null);
  });
  for (const element of there.values()) element.remove();
}

// The channels of a kind. `look(channel)` is called for the one that is chosen, `close(channel)` for the one given up.
export function drawChannels(list, channels, current, { look, close }) {
  const made = (channel) => {
    const label = [make("span", { className: "sign", "aria-hidden": "true" }), make("span", { className: "label" })];
    if (channel.private) label[0].replaceWith((label[0] = face(hue(channel.name), initial(channel.name))));
    const words = make("span", { className: "unseen words" });
    const button = make(
      "button",
      { className: "channel" },
      ...label,
      words,
      make("b", { className: "badge", "aria-hidden": "true" }),
    );
    button.addEventListener("click", () => look(channel));
    const leave = make("button", { className: "close quiet", ariaLabel: `Leave ${channel.name}` }, "✕");
    leave.addEventListener("click", () => close(channel));
    return make("li", {}, button, leave);
  };
  keep(
    list,
    channels,
    (channel) => channel.key,
    made,
    (element, channel) => {
      const { unread, mentions } = channel;
      const button = find("button", element);
      setText(find(".label", element), channel.private ? channel.name : channel.name.replace(/^#/u, ""));
      if (!channel.private) setText(find(".sign", element), "#");
      setText(find(".badge", element), unread > 99 ? "99+" : unread ? String(unread) : "");
      setText(find(".words", element), unreadWords(unread, mentions) + (channel.joined ? "" : ", you are not in it"));
      button.ariaCurrent = channel === current ? "true" : null;
      button.classList.toggle("unread", unread > 0);
      button.classList.toggle("named", mentions > 0);
      button.classList.toggle("gone", !channel.joined);
    },
  );
}

// Who is here. `talk(name)` is called for whom one wants to write to.
export function drawPeople(list, channel, me, talk) {
  const made = (person) => {
    const words = make("span", { className: "who" }, make("span", { className: "label" }), make("span", { className: "way" }));
    const button = make("button", { className: "person" }, face(hue(person.name), initial(person.name)), words);
    button.addEventListener("click", () => talk(find(".label", button).textContent));
    return make("li", {}, button);
  };
  keep(
    list,
    channel.here,
    (person) => person.name,
    made,
    (element, { name, protocol, encrypted, away }) => {
      const words = [protocol, encrypted ? "encrypted" : "in clear", ...(away ? ["away"] : [])];
      const button = find("button", element);
      setText(find(".label", element), name);
      setText(find(".way", element), protocol ? words.join(" · ") : "");
      button.classList.toggle("away", Boolean(away));
      button.disabled = name === me;
      button.title = name === me ? "This is you" : `Write to ${name} privately`;
    },
  );
}
