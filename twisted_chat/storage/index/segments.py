"""Segments of the index file: each has the rooms, or the words, of the messages in one range of numbers.

1. A segment is dropped whole once all of its messages are deleted: no entry is ever removed from the middle of an index, and
   the size of a segment bounds SQLite's data about it.
2. A complete segment is sealed: the CRC-32 of its contents is stored. A segment without a seal, or with a wrong one, is dropped
   when the file is opened, and rebuilt: its last write may be incomplete.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from zlib import crc32

from twisted_chat.storage.index.room_index import RoomRow

ROOMS, WORDS = "rooms", "words"
KINDS = (ROOMS, WORDS)
# The log that an index was made from: its id, and the number and time of its newest message.
Origin: TypeAlias = tuple[str, int, float]
# The separation of words. A search checks its results again with the same: see `storage.index.search`.
TOKENIZE = "tokenize = 'unicode61 remove_diacritics 2'"
# https://sqlite.org/fts5.html#contentless_tables; without columnsize: results are ordered by number, not rank.
FTS5 = f"fts5 (text, content = '', columnsize = 0, {TOKENIZE})"

CREATE = {
    ROOMS: """
        CREATE TABLE rooms_{id} (
            room  TEXT    NOT NULL,
            first INTEGER NOT NULL,
            since REAL    NOT NULL,
            seqs  TEXT    NOT NULL,
            PRIMARY KEY (room, first)
        ) STRICT, WITHOUT ROWID
    """,
    WORDS: "CREATE VIRTUAL TABLE words_{id} USING " + FTS5,
}
# The contents of a segment, in a stable order.
CONTENT = {
    ROOMS: ("SELECT room, first, since, seqs FROM rooms_{id} ORDER BY room, first",),
    WORDS: (
        "SELECT id, block FROM words_{id}_data ORDER BY id",
        "SELECT segid, term, pgno FROM words_{id}_idx ORDER BY segid, term",
        "SELECT k, v FROM words_{id}_config ORDER BY k",
    ),
}
# The number of parts of one size that are merged. With the default of 4, each word is rewritten more often.
# Never 'merge' with a negative number, which adds two levels to the index each time: SQLite 3.40 gives up at 2,000.
AUTOMERGE = "INSERT INTO words_{id} (words_{id}, rank) VALUES ('automerge', 8)"
ADD_ROOMS = "INSERT INTO rooms_{id} (room, first, since, seqs) VALUES (?, ?, ?, ?)"
ADD_WORDS = "INSERT INTO words_{id} (rowid, text) VALUES (?, ?)"
TAKE_WORDS = "INSERT INTO words_{id} (words_{id}, rowid, text) VALUES ('delete', ?, ?)"
IN_ROOM = (
    "SELECT seqs FROM rooms_{id} WHERE room = :room AND first < :before AND since < :said_before"
    " AND first >= (SELECT coalesce(max(first), 0) FROM rooms_{id} WHERE room = :room AND first <= :after) ORDER BY first"
)
WITH_WORDS = "SELECT rowid FROM words_{id} WHERE words_{id} MATCH ? AND rowid > ? AND rowid < ? ORDER BY rowid DESC"


@dataclass(slots=True)
class Segment:
    """A range of numbers, and the file's tables for the messages in it."""

    id: int
    kind: str
    first: int
    last: int
    size: int  # in bytes, estimated
    sealed: bool

    def sql(self, statement: str) -> str:
        """Return a statement with the names of this segment's tables."""
        return statement.replace("{id}", str(self.id))


def load(connection: sqlite3.Connection) -> Iterator[tuple[Segment, int | None]]:
    """Yield the segments listed in the file, and their seals."""
    found = connection.execute("SELECT id, kind, first, last, bytes, seal FROM segments ORDER BY first")
    for id_, kind, first, last, size, seal in found:
        yield Segment(id_, kind, first, last, size, seal is not None), seal


def create(connection: sqlite3.Connection, kind: str, first: int, last: int) -> Segment:
    """Make an empty segment for a range of numbers."""
    found = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM segments").fetchone()[0]
    segment = Segment(int(found), kind, first, last, 0, False)
    connection.execute(segment.sql(CREATE[kind]))
    if kind == WORDS:
        connection.execute(segment.sql(AUTOMERGE))
    connection.execute(
        "INSERT INTO segments (id, kind, first, last, bytes) VALUES (?, ?, ?, ?, 0)", (segment.id, kind, first, last)
    )
    return segment


def drop(connection: sqlite3.Connection, segment: Segment) -> None:
    """Delete a segment."""
    connection.execute(segment.sql(f"DROP TABLE {segment.kind}_{{id}}"))
    connection.execute("DELETE FROM segments WHERE id = ?", (segment.id,))


def add_rooms(connection: sqlite3.Connection, segment: Segment, rows: Iterable[RoomRow]) -> None:
    """Add rows to a segment of rooms."""
    connection.executemany(segment.sql(ADD_ROOMS), rows)


def add_words(connection: sqlite3.Connection, segment: Segment, texts: Iterable[tuple[int, str]]) -> None:
    """Add the words of messages to a segment of words."""
    connection.executemany(segment.sql(ADD_WORDS), texts)


def replace_words(connection: sqlite3.Connection, segment: Segment, seq: int, old: str, new: str) -> None:
    """Replace the words of a message by those of another text."""
    connection.execute(segment.sql(TAKE_WORDS), (seq, old))
    connection.execute(segment.sql(ADD_WORDS), (seq, new))


def save(connection: sqlite3.Connection, segment: Segment) -> None:
    """Store the range and the size of a segment that is being written to."""
    segment.sealed = False
    connection.execute(
        "UPDATE segments SET first = ?, last = ?, bytes = ?, seal = NULL WHERE id = ?",
        (segment.first, segment.last, segment.size, segment.id),
    )


def note(connection: sqlite3.Connection, origin: Origin) -> None:
    """Store the identity of the log that the messages come from."""
    connection.execute("DELETE FROM origin")
    connection.execute("INSERT INTO origin (log, seq, time) VALUES (?, ?, ?)", origin)


def seal(connection: sqlite3.Connection, complete: Iterable[Segment]) -> None:
    """Store the checksums of segments."""
    for segment in complete:
        connection.execute("UPDATE segments SET seal = ? WHERE id = ?", (checksum(connection, segment), segment.id))
        segment.sealed = True


def checksum(connection: sqlite3.Connection, segment: Segment) -> int:
    """Return the CRC-32 of a segment's contents. 16 MiB take 20 ms."""
    found = crc32(repr((segment.kind, segment.first, segment.last, segment.size)).encode())
    for statement in CONTENT[segment.kind]:
        for row in connection.execute(segment.sql(statement)):
            for value in row:
                found = crc32(value if isinstance(value, bytes) else str(value).encode(), found)
    return found


def gaps(segments: Sequence[Segment], after: int, upto: int) -> list[tuple[int, int]]:
    """Return the ranges of numbers in no segment, as pairs (above, up to), in order, between ``after`` and ``upto``."""
    found = []
    for segment in segments:
        if segment.first > upto:
            break
        if segment.first - 1 > after:
            found.append((after, segment.first - 1))
        after = max(after, segment.last)
    if upto > after:
        found.append((after, upto))
    return found
