// Catching the eye of who looks elsewhere: the page's title, and a notification when one is named, if that is wanted.

import { title } from "./words.js";

// The longest text that a notification shows, in characters: systems cut it about there themselves.
const LONGEST = 200;

export class Attention {
  constructor() {
    // Browsers notify for pages that came encrypted, or from this machine.
    this.possible = "Notification" in window && window.isSecureContext;
    this.wanted = false;
  }

  draw(channels, current) {
    let unread = 0;
    let mentions = 0;
    for (const channel of channels) {
      unread += channel.unread;
      mentions += channel.mentions;
    }
    document.title = title(mentions, unread, current?.name);
  }

  // Ask the person, through the browser. Returns whether they want it.
  async ask() {
    return (this.wanted = this.possible && (await Notification.requestPermission()) === "granted");
  }

  // Somebody has named the reader. `look` is called if they come to see.
  notify(row, channel, look) {
    if (!this.wanted || !document.hidden || Notification.permission !== "granted") return;
    const where = channel.private ? "" : ` in ${channel.name}`;
    const options = { body: row.text.slice(0, LONGEST), tag: channel.key, icon: "icon.svg" };
    const notification = new Notification(`${row.author}${where}`, options);
    notification.onclick = () => {
      window.focus();
      notification.close();
      look();
    };
  }
}
