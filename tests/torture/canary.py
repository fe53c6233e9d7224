"""A few people who talk in a room of their own, in a process of its own, so that their clock is honest.

A program says ten messages a second; somebody on every door reads along. ``python -m torture.canary PORT DOOR ...`` answers
each line on its standard input with a JSON object: what was sent, what was lost, and how late the rest came, since the last.
"""

import json
import sys
import threading
import time

from torture.doors import DOORS
from torture.network import EARS, Person

ROOM = "#canary"
ADDRESS = "127.255.0.1"  # where no attack comes from
INTERVAL = 0.1
# Fewer messages than this prove nothing: a report waits for them.
FEWEST = 3
# After this long a message counts as lost, in seconds.
LOST_AFTER = 5.0


class Canary:
    """One who speaks, and those who listen."""

    def __init__(self, port: int, doors: list[str]) -> None:
        self.speaker = self._enter("json", port, "Tweety")
        self.readers = [self._enter(door, port, f"Bird-{door}") for door in doors]
        self.sent: dict[int, float] = {}
        self.came: dict[tuple[int, str], float] = {}
        self.reported = 0
        self._positions = dict.fromkeys(doors, 0)
        self._lock = threading.Lock()

    def _enter(self, door: str, port: int, name: str) -> Person:
        person = Person(DOORS[door], port, ADDRESS)
        person.name = name
        person.send(person.door.hello(name, room=ROOM))
        person.wait_for("", "welcome")
        return person

    def speak(self) -> None:
        """Say a message every `INTERVAL`, for ever."""
        due = time.monotonic()
        number = 0
        while True:
            number += 1
            with EARS.changed:
                self.sent[number] = time.monotonic()
            self.speaker.say(f"tweet {number}")
            due = max(due + INTERVAL, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))

    def listen(self) -> None:
        """Note when each message came, for ever."""
        with EARS.changed:
            while True:
                EARS.changed.wait()
                now = time.monotonic()
                for reader in self.readers:
                    heard = reader.heard
                    for one in heard[self._positions[reader.door.name] :]:
                        if one.kind == "said" and one.text.startswith("tweet "):
                            self.came.setdefault((int(one.text.split()[1]), reader.door.name), now)
                    self._positions[reader.door.name] = len(heard)

    def report(self) -> dict[str, float]:
        """What was sent since the last report, once it has come or counts as lost."""
        with EARS.changed:
            EARS.changed.wait_for(lambda: len(self.sent) >= self.reported + FEWEST, LOST_AFTER)
            numbers = [number for number in self.sent if number > self.reported]
            self.reported = max(numbers, default=self.reported)
            wanted = [(number, door) for number in numbers for door in self._positions]
            EARS.changed.wait_for(lambda: all(one in self.came for one in wanted), LOST_AFTER)
            late = sorted(self.came[one] - self.sent[one[0]] for one in wanted if one in self.came)
        lost = len(wanted) - len(late)
        p99 = late[min(len(late) - 1, int(len(late) * 0.99))] if late else 0.0
        return {"sent": len(numbers), "lost": lost, "p99": p99, "worst": late[-1] if late else 0.0}


def main() -> None:
    """Talk, and answer."""
    canary = Canary(int(sys.argv[1]), sys.argv[2:])
    for work in (canary.listen, canary.speak):
        threading.Thread(target=work, daemon=True).start()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(canary.report()), flush=True)


if __name__ == "__main__":
    main()
