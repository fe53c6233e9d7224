"""The first number of a new room that has the name of an ended closed room.

1. The earlier room's messages have numbers up to the one remembered here, and stay hidden.
2. At most `MOST_ENDINGS` rooms are remembered one by one. Beyond that, the earliest are forgotten, and every new room begins
   after the last forgotten ending: this hides more messages, never fewer.
3. Messages that retention has pruned need not be hidden, so their endings are forgotten.
"""

from __future__ import annotations

from collections.abc import MutableMapping

from twisted_chat.core.interfaces import MessageLog
from twisted_chat.core.records import Fact, Record, RoomRecord

# The most names remembered, and the number forgotten at once: one write for many.
MOST_ENDINGS, AT_ONCE = 10_000, 1000
# The fact with the number after which rooms begin that are not remembered one by one.
FLOOR = "rooms begin"


class Endings:
    """The number after which each new room begins."""

    def __init__(self, log: MessageLog, facts: MutableMapping[str, str]) -> None:
        """``facts`` are the server's facts."""
        self._log = log
        self._facts = facts
        self._begins: dict[str, int] = {}  # by the key of the room, the earliest ending first

    def restore(self, key: str, begins: int) -> None:
        """Restore an ending that was saved before the start."""
        self._begins[key] = begins

    def begins(self, key: str) -> int:
        """Return the number above which a new room of this key begins, and forget it: the room remembers it from now on."""
        return max(self._begins.pop(key, 0), int(self._facts.get(FLOOR, "0")))

    def add(self, key: str, begins: int) -> tuple[list[Record], list[str]]:
        """Remember where a later room of this key begins. Returns the records to save and the forgotten keys."""
        self._begins.pop(key, None)
        self._begins[key] = begins
        saved: list[Record] = [RoomRecord(key=key, begins=begins)]
        forgotten = [one for one, seq in self._begins.items() if seq <= self._log.pruned] if self._log.pruned else []
        for one in forgotten:
            del self._begins[one]
        if len(self._begins) > MOST_ENDINGS:
            dropped = sorted(self._begins.items(), key=lambda item: item[1])[:AT_ONCE]
            for one, _ in dropped:
                del self._begins[one]
            floor = max(int(self._facts.get(FLOOR, "0")), dropped[-1][1])
            self._facts[FLOOR] = str(floor)
            saved.append(Fact(key=FLOOR, value=str(floor)))
            forgotten += [one for one, _ in dropped]
        return saved, forgotten
