// Times and days in words, in the reader's time zone and language. Times are in seconds since 1970.

const formats = new Map();

function format(options) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(undefined, options)); // slow to make, quick to use
  return formats.get(key);
}

// "12:01", or as the reader's language has it.
export function clock(time) {
  return format({ hour: "2-digit", minute: "2-digit" }).format(time * 1000);
}

// Day, time and second: what a message's time says when pointed at.
export function moment(time) {
  return format({ dateStyle: "full", timeStyle: "medium" }).format(time * 1000);
}

// A key that two times of one day share.
export function dayOf(time) {
  const date = new Date(time * 1000);
  return (date.getFullYear() * 12 + date.getMonth()) * 31 + date.getDate();
}

// "Today", "Yesterday", or the day, with its year if that is another.
export function dayName(time, now) {
  const daysAgo = Math.round((midnight(now) - midnight(time)) / 86_400_000); // rounded: some days have 23 hours
  if (daysAgo === 0) return "Today";
  if (daysAgo === 1) return "Yesterday";
  const sameYear = new Date(time * 1000).getFullYear() === new Date(now * 1000).getFullYear();
  const options = { weekday: "long", day: "numeric", month: "long" };
  return format(sameYear ? options : { ...options, year: "numeric" }).format(time * 1000);
}

function midnight(time) {
  return new Date(time * 1000).setHours(0, 0, 0, 0);
}

// "12 seconds", "3 minutes", "2 hours", "5 days".
export function duration(seconds) {
  for (const [size, unit] of [
    [86_400, "day"],
    [3600, "hour"],
    [60, "minute"],
  ]) {
    if (seconds >= size) return counted(Math.floor(seconds / size), unit);
  }
  return counted(Math.floor(seconds), "second");
}

// "1 message", "2 messages".
export function counted(number, what, many = `${what}s`) {
  return `${number} ${number === 1 ? what : many}`;
}
