"""Which messages each room has: in the file a row for many of them, in memory those that are in no row yet.

1. What has been kept since the rows were last written is a run. In it each room has a row for every `NUMBERS_A_ROW` of its
   messages: a page of a room is in a few rows, however many messages it has, and however many rooms there are.
2. A room's rows follow one another, as numbers do, and what is in memory follows the last row.
3. Messages are taken out oldest first. A row stays until the last of its messages is: what it has of those that are gone is
   passed over.
"""

import json
import sqlite3
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from math import inf
from typing import TypeAlias

# seq, time, room, kind, author, text, key: as in the table of messages
Row: TypeAlias = tuple[int, float, str, str, str, str, bytes | None]

NUMBERS_A_ROW = 256

MISSING = (
    "SELECT seq, time, room, kind, author, text, key FROM messages"
    " WHERE seq > (SELECT indexed FROM log) AND seq <= ? ORDER BY seq"
)
ADD = "INSERT INTO runs (room, first, last, since, seqs) VALUES (?, ?, ?, ?, ?)"
# Before the messages are taken out themselves: a row goes with the last of its messages, so that one's room is among these.
GONE = "DELETE FROM runs WHERE room IN (SELECT room FROM messages WHERE seq <= :upto) AND first <= :upto AND last <= :upto"
IN_ROOM = (
    "SELECT seqs FROM runs WHERE room = :room AND first < :before AND since < :said_before"
    " AND first >= (SELECT coalesce(max(first), 0) FROM runs WHERE room = :room AND first <= :after) ORDER BY first"
)
IN_ROOM_BACKWARDS = IN_ROOM + " DESC"


class Runs:
    """Where each room's messages are."""

    def __init__(self) -> None:
        self._missing: dict[str, list[int]] = defaultdict(list)
        self._since = inf  # nothing in memory was said before this time
        self._gone = 0  # all up to this number has been taken out
        self.size = 0  # what is not in the file's indexes yet will take there so many bytes, roughly

    def load(self, connection: sqlite3.Connection, upto: int) -> None:
        """Find out which of the messages up to a number are in no row."""
        self.clear()
        self._gone = connection.execute("SELECT coalesce(min(seq) - 1, ?) FROM messages", (upto,)).fetchone()[0]
        self.add(connection.execute(MISSING, (upto,)).fetchall())

    def add(self, rows: Iterable[Row]) -> None:
        """Take in messages that are on disk now."""
        missing, since, messages, characters = self._missing, self._since, 0, 0
        for seq, time, room, _, _, text, _ in rows:
            missing[room].append(seq)
            if time < since:
                since = time
            messages += 1
            characters += len(text)
        self._since = since
        self.size += indexed_bytes(messages, characters)

    def write(self, connection: sqlite3.Connection) -> None:
        """Make rows of what is in memory. Once that is committed, `clear`."""
        connection.executemany(
            ADD,
            (
                (room, part[0], part[-1], self._since, json.dumps(part, separators=(",", ":")))
                for room, numbers in self._missing.items()
                for part in _cut(numbers)
            ),
        )

    def clear(self) -> None:
        """All is in rows."""
        self._missing.clear()
        self._since, self.size = inf, 0

    def prune(self, connection: sqlite3.Connection, upto: int) -> None:
        """Take out rows of which no message will be left, before the messages up to a number are. Then `forget` them."""
        connection.execute(GONE, {"upto": upto})

    def forget(self, upto: int) -> None:
        """The messages up to a number are gone."""
        self._gone = max(self._gone, upto)
        for numbers in self._missing.values():
            del numbers[: bisect_right(numbers, upto)]

    def numbers(
        self, connection: sqlite3.Connection, room: str, after: int, before: int, limit: int, newest_first: bool
    ) -> list[int]:
        """The numbers of a room's messages between two, both excluded; the first, or the last, ``limit`` of them."""
        found: list[int] = []
        for part in self.parts(connection, room, after, before, newest_first):
            found += part
            if len(found) >= limit:
                break
        return found[:limit]

    def parts(
        self, connection: sqlite3.Connection, room: str, after: int, before: int, newest_first: bool, said_before: float = inf
    ) -> Iterator[list[int]]:
        """The same, all of them, a row at a time; without rows in which nothing was said before a time."""
        after = max(after, self._gone)
        given = {"room": room, "after": after, "before": before, "said_before": said_before}
        found = connection.execute(IN_ROOM_BACKWARDS if newest_first else IN_ROOM, given)
        rows = (json.loads(numbers) for (numbers,) in found)
        memory = list(_cut(self._missing.get(room, [])))
        for numbers in chain(memory[::-1], rows) if newest_first else chain(rows, memory):
            part = numbers[bisect_right(numbers, after) : bisect_left(numbers, before)]
            yield part[::-1] if newest_first else part


def _cut(numbers: list[int]) -> Iterator[list[int]]:
    return (numbers[at : at + NUMBERS_A_ROW] for at in range(0, len(numbers), NUMBERS_A_ROW))


def indexed_bytes(messages: int, characters: int) -> int:
    """What messages take in the indexes. Measured: 75 for a line of 64 characters, 5,500 for one of 4,000, 11 for "ok"."""
    return 12 * messages + int(1.3 * characters)
