"""One SQLite file that holds a message log. Plain, blocking calls, all from one thread.

1. WAL with ``synchronous=FULL``, both asserted: a commit has been flushed to disk when it returns
   (https://sqlite.org/pragma.html#pragma_synchronous). WAL with NORMAL has not.
2. After any failed write the connection is closed, with every page it held, and opened again. A failed fsync says
   nothing about which pages are on disk, and the next one says "done" (https://wiki.postgresql.org/wiki/Fsync_Errors):
   what the failed commit wrote to the WAL may stand in the system's memory only, look whole, and be taken for
   committed; whatever is written behind it would be cut off with it by a power failure.
3. So no connection writes before it has moved all of the WAL into the file, flushed, and begun the WAL anew. The first
   one too: the daemon before may have ended in the middle of that. Until it succeeds nothing is kept. Then what a
   failed commit left behind is taken out: its senders were told that it was not kept.
4. Checkpoints are made here and not by SQLite's commits, which pass over a checkpoint that fails.
5. After each commit the files still are those that were opened, or it counts as failed: a commit to a file that was
   deleted, renamed or replaced would not be there after the next start. What takes their place has to be this log,
   with its latest message.
6. The first commit after each checkpoint reserves one number more, and the lock file notes it: a ``-wal`` that is gone at
   the next start is noticed by that.
7. The indexes of words and of rooms are brought up to date when `INDEX_AT` bytes are missing in them, and before a search:
   many messages at once cost a small part of what each by itself does. Which are in them stands in the file, and each
   connection finds out which are not. Reads of a room find these as well: see `storage.runs`.
8. A commit that finds the file damaged is the last one: until the daemon is started again, which checks it.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from operator import itemgetter
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias

from twisted_chat.core.names import fold
from twisted_chat.core.ports import Query
from twisted_chat.storage.folder import Folder, Identity, StateError
from twisted_chat.storage.runs import Row, Runs

# How long a search may keep the thread from keeping messages, in seconds.
SEARCH_SECONDS = 0.5
# The WAL is cut back to this many bytes when it has been checkpointed.
WAL_LIMIT = 16 * 1024 * 1024
# A checkpoint is due after so many commits, or 64 times as many rows: that is some 4 MiB of WAL, as SQLite does it by default.
CHECKPOINT_COMMITS, ROWS_A_COMMIT = 128, 64

Stored: TypeAlias = tuple[int, float, str, str, str, str]  # seq, time, room, kind, author, text

INSERT = (
    "INSERT INTO messages (seq, time, room, kind, author, text, key) VALUES {}"
    " ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING"
)
ROW = "(?, ?, ?, ?, ?, ?, ?)"
INSERT_ONE = INSERT.format(ROW)
# By one statement so many: half as dear as each by its own (measured). More at once gain nothing more.
ROWS_AT_ONCE = 25
INSERT_MANY = INSERT.format(", ".join([ROW] * ROWS_AT_ONCE))

# How much may be missing in the indexes, in bytes that it will take there: some 8,000 messages of a line, or 20 ms of work
# (measured), for the commit or the search that does it.
INDEX_AT = 800_000
INDEX = (
    "INSERT INTO words (rowid, text) SELECT seq, text FROM messages"
    " WHERE seq > (SELECT indexed FROM log) AND seq <= :upto AND room LIKE '#%'",
    "UPDATE log SET indexed = :upto",
)
# The word index notes what is gone, beside what there was; both go once its parts are merged. It is done bit by bit,
# all parts in turn (that is what a negative number means): else these notes take all the room (measured).
# https://sqlite.org/fts5.html#the_merge_command
MERGE = "INSERT INTO words (words, rank) VALUES ('merge', ?)"
MERGED_PAGES = 64

READ_ONE = "SELECT seq, time, room, kind, author, text FROM messages WHERE seq = ?"
READ = "SELECT seq, time, room, kind, author, text FROM messages WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq"
READ_BACKWARDS = READ + " DESC"
LAST_BEFORE = "SELECT max(seq) FROM messages WHERE seq IN (SELECT value FROM json_each(?)) AND time < ?"
SEARCH = """
    SELECT m.seq, m.time, m.room, m.kind, m.author, m.text FROM words JOIN messages AS m ON m.seq = words.rowid
    WHERE words MATCH ? AND words.rowid < ? AND m.time >= ? AND (m.room IN (SELECT value FROM json_each(?)) OR EXISTS (
        SELECT 1 FROM json_each(?) WHERE json_extract(value, '$[0]') = m.room
        AND m.seq BETWEEN json_extract(value, '$[1]') AND json_extract(value, '$[2]')
    ))
    AND (? = '' OR fold(m.author) = ?) ORDER BY words.rowid DESC LIMIT ?
"""


class Database:
    """The file ``chat.db`` in a folder. `claim` first, then `open`, then the rest, from one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = Folder(folder)
        self.path = self._folder.path
        self._connection: sqlite3.Connection | None = None
        self._files: Identity = ()
        self._trusted = False  # whether this connection may write: rule 3
        self._damage = ""
        self._busy_ms = 0
        self._unchecked = 0  # commits since the last checkpoint
        self._id = ""
        self.kept = 0  # the highest number of a message that is on disk, or was
        self._pruned = 0  # all up to this number has been taken out
        self._runs = Runs()

    def claim(self) -> None:
        """Lock the folder, making it if needed, and check the file in it. Raises `StateError`."""
        self._folder.claim()

    def release(self) -> None:
        """Let another process have the folder."""
        self._folder.release()

    def open(self, block: int) -> tuple[str, int]:
        """Open or make the file, and reserve the next ``block`` numbers.

        Returns the log's id and the highest number that may have been used. Raises `StateError`.
        """
        try:
            if not self.path.exists():
                self._folder.make()
            connection = self._connect()
            self._folder.upgrade(connection)
            log_id, used = connection.execute("SELECT id, reserved FROM log").fetchone()
            self._id = str(log_id)
            self.kept = int(connection.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0])
            self._runs.load(connection, self.kept)
            self.commit([], used + block)
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:  # the last if SQLite quotes what is damaged
            self._disconnect()
            self.release()
            raise StateError(f"The log {self.path} can't be opened: {error}.") from None
        return self._id, int(used)

    def close(self, newest: int) -> None:
        """Give back the numbers above ``newest``, and close the file."""
        try:
            self._folder.note(self._id, newest)
            self.write([("UPDATE log SET reserved = ?", (newest,))])
        finally:
            self._disconnect()
            self.release()

    def wait_for_locks(self, milliseconds: int) -> None:
        """How long the next writes wait for another process that holds the file."""
        self._busy_ms = milliseconds
        if self._connection is not None:
            self._connection.execute(f"PRAGMA busy_timeout = {milliseconds:d}")

    def commit(self, rows: Sequence[Row], reserve: int | None) -> dict[int, int]:
        """Write messages, and with ``reserve`` the highest number that may be used, in one transaction.

        Returns, for each message whose key was there already, the number it is there under. When this returns, all
        is on disk. Raises `sqlite3.Error`: then none of it is in the history, or will be once that is written again.
        """
        duplicates: dict[int, int] = {}
        index = self._runs.size >= INDEX_AT

        def work(connection: sqlite3.Connection) -> None:
            if index:
                self._index(connection)
            duplicates.update(self._insert(connection, rows))
            if reserve is not None:
                connection.execute("UPDATE log SET reserved = max(reserved, ?)", (reserve,))

        self._transact(work, 1 + len(rows) // ROWS_A_COMMIT)
        if index:
            self._runs.clear()
        fresh = [row for row in rows if row[0] not in duplicates] if duplicates else rows
        self._runs.add(fresh)
        self.kept = max(map(itemgetter(0), fresh), default=self.kept)
        return duplicates

    def find(self, key: bytes) -> int | None:
        """The number of the message with this key."""
        found = self._connect().execute("SELECT seq FROM messages WHERE key = ?", (key,)).fetchone()
        return None if found is None else int(found[0])

    def read(self, room: str, after: int, before: int, limit: int, newest_first: bool) -> list[Stored]:
        """Messages of a room with numbers between the two, both excluded."""
        numbers = self._runs.numbers(self._connect(), room, after, before, limit, newest_first)
        return self.query(READ_BACKWARDS if newest_first else READ, (json.dumps(numbers),))

    def last_before(self, room: str, time: float) -> int:
        """The number of the last message of a room that was said before a time; 0 if there is none."""
        for numbers in self._runs.parts(self._connect(), room, 0, self.kept + 1, True, time):
            if found := self.query(LAST_BEFORE, (json.dumps(numbers), time))[0][0]:
                return int(found)
        return 0

    def count(self, room: str, after: int, upto: int, limit: int) -> int:
        """How many messages of a room have numbers above one and up to another; at most ``limit``."""
        return len(self._runs.numbers(self._connect(), room, after, upto + 1, limit, False))

    def search(self, query: Query) -> list[Stored]:
        """The newest messages that fit, newest first. Raises `sqlite3.OperationalError` when it takes too long."""
        words = " ".join('"' + word.replace('"', '""') + '"' for word in query.words)
        before = query.before if query.before is not None else 2**62
        author = fold(query.author) if query.author else ""
        if self._runs.size:
            with suppress(sqlite3.Error):  # a disk that can't be written to can still be read
                self._transact(self._index, 1)
                self._runs.clear()
        connection = self._connect()
        end = monotonic() + SEARCH_SECONDS
        connection.set_progress_handler(lambda: monotonic() > end, 10_000)
        try:
            rooms, parts = json.dumps(query.rooms), json.dumps(query.parts)
            given = (words, before, query.since, rooms, parts, author, author, query.limit)
            return connection.execute(SEARCH, given).fetchall()
        except sqlite3.OperationalError as error:
            raise type(error)("that takes too long; look for a rarer word") if "interrupted" in str(error) else error from None
        finally:
            connection.set_progress_handler(None, 0)

    def erase(self, seq: int, rooms: Sequence[str], instead: str) -> Stored | None:
        """Put other text in the place of a message's. Returns the message as it was."""
        found = self.query(READ_ONE, (seq,))
        if not found or found[0][2] not in rooms:
            return None
        self.write([("UPDATE messages SET text = ? WHERE seq = ?", (instead, seq))])
        row: Stored = found[0]
        return row

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """What a SELECT finds."""
        return self._connect().execute(statement, values).fetchall()

    def write(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Run statements in one transaction: on disk when this returns, or, with `sqlite3.Error`, none of it has happened."""

        def work(connection: sqlite3.Connection) -> None:
            for statement, values in statements:
                connection.execute(statement, values)

        self._transact(work, 1)

    def prune(self, upto: int) -> None:
        """Take out the messages up to a number, and their words. Raises `sqlite3.Error`."""

        def work(connection: sqlite3.Connection) -> None:
            self._runs.prune(connection, upto)
            connection.execute("DELETE FROM messages WHERE seq <= ?", (upto,))
            connection.execute(MERGE, (-MERGED_PAGES,))

        self._transact(work, 1)
        self._runs.forget(upto)
        self._pruned = max(self._pruned, upto)

    def used_bytes(self) -> int:
        """How much of the file is in use, and will be once all messages are in the indexes."""
        pages, free, size = (self.query(f"PRAGMA {name}")[0][0] for name in ("page_count", "freelist_count", "page_size"))
        return int((pages - free) * size) + self._runs.size

    def _transact(self, work: Callable[[sqlite3.Connection], None], weight: int) -> None:
        """Do something in one transaction, and see that it is where it should be."""
        try:
            connection = self._writable()
            if self._unchecked >= CHECKPOINT_COMMITS:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._unchecked = 0
            connection.execute("BEGIN IMMEDIATE")
            first = self._unchecked == 0
            if first:
                connection.execute("UPDATE log SET reserved = reserved + 1")
            work(connection)
            connection.execute("COMMIT")
            if self._folder.identity() != self._files:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # so that the file has all, wherever it is now
                raise sqlite3.OperationalError("the log's files were deleted, renamed or replaced while they were in use")
            if first:
                self._folder.note(self._id, connection.execute("SELECT reserved FROM log").fetchone()[0])
        except BaseException as error:
            # Its children stand for other faults; and what is no longer our file is not damage of ours.
            if type(error) is sqlite3.DatabaseError and self._trusted and self._folder.identity() == self._files:
                self._damage = str(error)
            self._disconnect()
            raise
        self._unchecked += weight

    def _index(self, connection: sqlite3.Connection) -> None:
        """Add the messages that are kept to the indexes."""
        self._runs.write(connection)
        for statement in INDEX:
            connection.execute(statement, {"upto": self.kept})

    def _insert(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> dict[int, int]:
        before = connection.total_changes
        many = len(rows) - len(rows) % ROWS_AT_ONCE
        for at in range(0, many, ROWS_AT_ONCE):
            connection.execute(INSERT_MANY, tuple(chain.from_iterable(rows[at : at + ROWS_AT_ONCE])))
        connection.executemany(INSERT_ONE, rows[many:])
        if connection.total_changes - before == len(rows):
            return {}
        there = {row[0]: connection.execute("SELECT seq FROM messages WHERE key = ?", (row[6],)) for row in rows if row[6]}
        found = {seq: int(answer.fetchone()[0]) for seq, answer in there.items()}
        return {seq: other for seq, other in found.items() if other != seq}

    def _writable(self) -> sqlite3.Connection:
        """A connection that has made sure of the file (rules 3, 5 and 8)."""
        if self._damage:
            raise sqlite3.DatabaseError(f"{self._damage}; it has to be restored, and the daemon started again")
        connection = self._connect()
        if not self._trusted:
            if not self._has_latest(connection):
                raise sqlite3.OperationalError("there is an older copy of the log; the latest has to be put back")
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise sqlite3.OperationalError("another program is reading the log")
            connection.execute("DELETE FROM messages WHERE seq > ?", (self.kept,))
            self._trusted = True
        return connection

    def _has_latest(self, connection: sqlite3.Connection) -> bool:
        found = connection.execute("SELECT 1 FROM messages WHERE seq = ?", (self.kept,)).fetchone()
        return found is not None or self.kept <= self._pruned

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            uri = f"{self.path.absolute().as_uri()}?mode=rw"
            before = self._folder.identity()
            if before[0] is None:
                raise sqlite3.OperationalError("the log's file is gone; it has to be put back")
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            try:
                connection.execute(f"PRAGMA busy_timeout = {self._busy_ms:d}")
                log_id = str(connection.execute("SELECT id FROM log").fetchone()[0])
                if self._id not in ("", log_id):
                    raise sqlite3.OperationalError("there is another log now; the right one has to be put back")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA wal_autocheckpoint = 0")
                connection.create_function("fold", 1, fold, deterministic=True)
                connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
                modes = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode = WAL", "synchronous")]
                if modes != ["wal", 2]:
                    raise sqlite3.OperationalError(f"no WAL with synchronous=FULL here, but {modes}")
                connection.execute("SELECT id FROM log").fetchone()  # a first read opens the -wal and the -shm
                self._files = self._folder.identity()
                if self._files[0] != before[0] or None in self._files:
                    raise sqlite3.OperationalError("the log's files were replaced while they were opened")
                if self._id:
                    self._runs.load(connection, self.kept)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self._unchecked = 0
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection, self._trusted = self._connection, None, False
        if connection is not None:
            with suppress(sqlite3.Error):  # what could not be written is reported already
                connection.close()
