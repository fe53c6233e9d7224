"""Search: the newest messages with all of some words.

1. Each message that the index finds is checked again, with the same definition of a word. So an outdated or wrong index never
   returns a message that does not match, and never reveals the former text of a deleted one.
2. Messages that the index does not know are scanned one by one.
3. A search is limited in time, because it holds up the thread that persists messages.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from time import monotonic
from typing import TypeAlias

from twisted_chat.core.interfaces import Query
from twisted_chat.core.text.names import fold
from twisted_chat.storage.index.index import Index
from twisted_chat.storage.index.index_file import IndexFault
from twisted_chat.storage.index.segments import FTS5

Stored: TypeAlias = tuple[int, float, str, str, str, str]  # seq, time, room, kind, author, text

# The longest duration of a search, in seconds.
SEARCH_SECONDS = 0.5
# The number of messages checked together.
TOGETHER = 250

FITTING = """
    SELECT seq, time, room, kind, author, text FROM messages WHERE {}
    AND (room IN (SELECT value FROM json_each(:rooms)) OR EXISTS (
        SELECT 1 FROM json_each(:parts) WHERE json_extract(value, '$[0]') = messages.room
        AND messages.seq BETWEEN json_extract(value, '$[1]') AND json_extract(value, '$[2]')
    ))
    AND room LIKE '#%' AND time >= :since AND (:author = '' OR fold(author) = :author) ORDER BY seq DESC
"""
PROPOSED = FITTING.format("seq IN (SELECT value FROM json_each(:seqs))")
UNKNOWN = FITTING.format("seq > :low AND seq < :high") + " LIMIT :limit"


class Words:
    """A filter for texts that have certain words, as FTS5 defines words."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._connection.execute(f"CREATE VIRTUAL TABLE texts USING {FTS5}")

    def among(self, rows: Sequence[Stored], words: str) -> Iterator[Stored]:
        """Yield the messages that have these words, in their order."""
        connection = self._connection
        connection.executemany("INSERT INTO texts (rowid, text) VALUES (?, ?)", ((row[0], row[5]) for row in rows))
        found = {seq for (seq,) in connection.execute("SELECT rowid FROM texts WHERE texts MATCH ?", (words,))}
        connection.execute("INSERT INTO texts (texts) VALUES ('delete-all')")
        return (row for row in rows if row[0] in found)


def search(connection: sqlite3.Connection, index: Index, query: Query) -> list[Stored]:
    """Return the newest matching messages, newest first. Raise `sqlite3.OperationalError` if it takes too long."""
    end = monotonic() + SEARCH_SECONDS
    for file in (connection.set_progress_handler, index.file.set_progress_handler):
        file(lambda: monotonic() > end, 10_000)
    try:
        while True:
            try:
                return list(islice(_found(connection, index, query, end), query.limit))
            except IndexFault as fault:
                index.failed(fault)
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        if index.incomplete:
            raise type(error)("the search index is being made anew; search again later") from None
        raise type(error)("that takes too long; look for a rarer word") from None
    finally:
        for file in (connection.set_progress_handler, index.file.set_progress_handler):
            file(None, 0)


def _found(connection: sqlite3.Connection, index: Index, query: Query, end: float) -> Iterator[Stored]:
    words = Words()
    match = " ".join('"' + word.replace('"', '""') + '"' for word in query.words)
    given: dict[str, object] = {"rooms": json.dumps(query.rooms), "parts": json.dumps(query.parts), "since": query.since}
    given["author"] = fold(query.author) if query.author else ""
    for low, high, numbers in index.hits(match, query.before if query.before is not None else 2**62):
        if numbers is None:
            while True:
                rows = connection.execute(UNKNOWN, given | {"low": low, "high": high, "limit": TOGETHER}).fetchall()
                yield from words.among(rows, match)
                if len(rows) < TOGETHER:
                    break
                high = rows[-1][0]
                _check(end)
        else:
            while part := list(islice(numbers, TOGETHER)):
                rows = connection.execute(PROPOSED, given | {"seqs": json.dumps(part)}).fetchall()
                yield from words.among(rows, match)
                _check(end)


def _check(end: float) -> None:
    """Raise `sqlite3.OperationalError` after the time ``end``, as SQLite does in the middle of a statement."""
    if monotonic() > end:
        raise sqlite3.OperationalError("interrupted")
