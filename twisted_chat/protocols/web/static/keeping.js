// What outlives the page in this browser.
//
// 1. For this tab, until it is closed: what `Conversation.state` needs to go on, and private talks, as the server shows
//    them once. Never a password.
// 2. For this browser: light or dark, the last name, and whether to notify.
// 3. A browser that keeps nothing (a private window, a full disk) does no harm.

// How many messages of a private talk are kept.
const TALK_MOST = 200;

export function read(name, store = sessionStorage) {
  try {
    return JSON.parse(store.getItem(name)) ?? undefined;
  } catch {
    return undefined;
  }
}

export function write(name, value, store = sessionStorage) {
  try {
    if (value === undefined) store.removeItem(name);
    else store.setItem(name, JSON.stringify(value));
  } catch {
    // nothing is kept then
  }
}

// The private talks, and what is unread where: all that the server does not show again.
export function channelsOf(model) {
  const kept = [];
  for (const { key, name, unread, mentions, firstUnread, timeline } of model.channels.values()) {
    const rows = key.startsWith("@") ? timeline.rows.filter((row) => row.seq).slice(-TALK_MOST) : [];
    kept.push({ key, name, unread, mentions, firstUnread, rows });
  }
  return { channels: kept, current: model.current?.key };
}

// Put them back. `rooms` has the number up to which each room was read: what is older is asked for when it is looked at.
export function restore(model, kept, rooms) {
  for (const { key, name, rows, ...unread } of kept?.channels ?? []) {
    const channel = key.startsWith("@") ? model.talk(name) : model.open(key);
    Object.assign(channel, unread);
    channel.before = rooms[key] == null ? null : rooms[key] + 1;
    channel.add(rows);
  }
  model.current = model.channels.get(kept?.current) ?? model.current;
}
