"""The newest messages, which the index file still lacks: their numbers by room, and their texts.

1. All messages with numbers above `Runs.after` are here. The index file has the others, or will have them: see `index.index`.
2. In the file a run of messages has a row for every `NUMBERS_A_ROW` of each room: reading a page of a room takes a few rows,
   however many messages it has, and however many rooms exist.
"""

import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import inf
from typing import TypeAlias

# seq, time, room, kind, author, text, key: as in the table of messages
Row: TypeAlias = tuple[int, float, str, str, str, str, bytes | None]
# room, first number, a time that none of the messages precedes, JSON list of the numbers
RoomRow: TypeAlias = tuple[str, int, float, str]

NUMBERS_A_ROW = 256


class Runs:
    """The newest messages' numbers, by room."""

    def __init__(self) -> None:
        self._missing: dict[str, list[int]] = defaultdict(list)
        self._since = inf  # no message in memory is older than this time
        self.after = 0  # all messages with numbers above this one are here
        self.texts: list[tuple[int, str]] = []  # number and text of those in rooms, not in inboxes, in order
        self.size = 0  # the estimated size of these in the index file, in bytes

    def add(self, rows: Iterable[Row]) -> int:
        """Add messages that are on disk now. Return the number of their characters."""
        missing, texts, since, messages, characters = self._missing, self.texts, self._since, 0, 0
        for seq, time, room, _, _, text, _ in rows:
            missing[room].append(seq)
            if room[0] == "#":
                texts.append((seq, text))
            if time < since:
                since = time
            messages += 1
            characters += len(text)
        self._since = since
        self.size += indexed_bytes(messages, characters)
        return characters

    def rows(self) -> Iterator[RoomRow]:
        """Yield the rows for the index file."""
        for room, numbers in self._missing.items():
            yield from room_rows(room, numbers, self._since)

    def clear(self, upto: int) -> None:
        """Forget all messages: those up to a number are in the index file, or counted as missing there."""
        self._missing.clear()
        self.texts.clear()
        self.after = max(self.after, upto)
        self._since, self.size = inf, 0

    def forget(self, upto: int) -> None:
        """Forget the messages up to a number, which are deleted."""
        del self.texts[: bisect_left(self.texts, (upto + 1, ""))]
        for room in [room for room, numbers in self._missing.items() if numbers and numbers[0] <= upto]:
            numbers = self._missing[room]
            del numbers[: bisect_right(numbers, upto)]
            if not numbers:
                del self._missing[room]

    def replace(self, seq: int, text: str) -> None:
        """Replace the text of a message."""
        at = bisect_left(self.texts, (seq, ""))
        if at < len(self.texts) and self.texts[at][0] == seq:
            self.texts[at] = (seq, text)

    def numbers(self, room: str) -> list[int]:
        """Return the numbers of a room's messages, in order."""
        return self._missing.get(room, [])


def room_rows(room: str, numbers: list[int], since: float) -> Iterator[RoomRow]:
    """Yield the rows for a room's messages, given in order."""
    for at in range(0, len(numbers), NUMBERS_A_ROW):
        part = numbers[at : at + NUMBERS_A_ROW]
        yield room, part[0], since, json.dumps(part, separators=(",", ":"))


def indexed_bytes(messages: int, characters: int) -> int:
    """Return the bytes of messages in the index. Measured: 75 for a line of 64 characters, 5,500 for 4,000, 11 for "ok"."""
    return 12 * messages + int(1.3 * characters)
