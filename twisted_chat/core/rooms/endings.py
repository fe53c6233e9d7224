"""Where a later room begins that has the name of a closed room that has ended.

1. What was said in the earlier room has numbers up to the one that is remembered here, and stays hidden.
2. At most `MOST_ENDINGS` rooms are remembered one by one. Beyond that the earliest are forgotten, and no new room of any
   name begins before the last of these: more stays hidden then, never less.
3. What retention has taken out of the log need not be hidden: then the ending is forgotten.
"""

from __future__ import annotations

from collections.abc import MutableMapping

from twisted_chat.core.interfaces import MessageLog
from twisted_chat.core.records import Fact, Record, RoomRecord

# How many names are remembered, and how many are forgotten at once: one write for many.
MOST_ENDINGS, AT_ONCE = 10_000, 1000
# The fact that says where rooms begin that are not remembered one by one.
FLOOR = "rooms begin"


class Endings:
    """Where each new room begins."""

    def __init__(self, log: MessageLog, facts: MutableMapping[str, str]) -> None:
        """``facts`` are those of the whole server."""
        self._log = log
        self._facts = facts
        self._begins: dict[str, int] = {}  # by the key of the room, the earliest ending first

    def restore(self, key: str, begins: int) -> None:
        """Take over what was remembered before the start."""
        self._begins[key] = begins

    def begins(self, key: str) -> int:
        """Return the number above which a new room of this key begins, and leave it to that room to remember."""
        return max(self._begins.pop(key, 0), int(self._facts.get(FLOOR, "0")))

    def add(self, key: str, begins: int) -> tuple[list[Record], list[str]]:
        """Remember where a later room of this key begins. Returns what is to be saved, and the keys that are forgotten."""
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
