"""A few people who talk in a room of their own, in a process of its own, so that their clock is honest.

A program says ten messages a second; somebody on every door reads along. ``python -m torture.canary PORT PID DOOR ...``
answers each line on its standard input with a JSON object: what was sent, what was lost, and how late the rest came, since the
last. Not counted is for how long the daemon, whose process is PID, or the canary itself was ready to run, but had to wait until
other work of the machine had made way.
"""

import json
import os
import sys
import threading
import time

from torture.doors import DOORS
from torture.machine import Machine
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

    def __init__(self, port: int, daemon: int, doors: list[str]) -> None:
        self._machine = Machine(daemon, os.getpid())
        self.speaker = self._enter("json", port, "Tweety")
        self.readers = [self._enter(door, port, f"Bird-{door}") for door in doors]
        self.sent: dict[int, float] = {}  # when, on a clock that stands while the machine lets us wait
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
                self.sent[number] = self._now()
            self.speaker.say(f"tweet {number}")
            due = max(due + INTERVAL, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))

    def listen(self) -> None:
        """Note when each message came, for ever."""
        with EARS.changed:
            while True:
                EARS.changed.wait()
                now = self._now()
                for reader in self.readers:
                    heard = reader.heard
                    for one in heard[self._positions[reader.door.name] :]:
                        if one.kind == "said" and one.text.startswith("tweet "):
                            self.came.setdefault((int(one.text.split()[1]), reader.door.name), now)
                    self._positions[reader.door.name] = len(heard)

    def _now(self) -> float:
        return time.monotonic() - self._machine.waited()

    def report(self) -> dict[str, float]:
        """What was sent since the last report, once it has come or counts as lost."""
        with EARS.changed:
            EARS.changed.wait_for(lambda: len(self.sent) >= self.reported + FEWEST, LOST_AFTER)
            numbers = [number for number in self.sent if number > self.reported]
            self.reported = max(numbers, default=self.reported)
            wanted = [(number, door) for number in numbers for door in self._positions]
            EARS.changed.wait_for(lambda: all(one in self.came for one in wanted), LOST_AFTER)
            late = sorted(max(0.0, self.came[one] - self.sent[one[0]]) for one in wanted if one in self.came)
        lost = len(wanted) - len(late)
        p99 = late[min(len(late) - 1, int(len(late) * 0.99))] if late else 0.0
        return {"sent": len(numbers), "lost": lost, "p99": p99, "worst": late[-1] if late else 0.0}


def main() -> None:
    """Talk, and answer."""
    canary = Canary(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
    for work in (canary.listen, canary.speak):
        threading.Thread(target=work, daemon=True).start()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(canary.report()), flush=True)


if __name__ == "__main__":
    main()
