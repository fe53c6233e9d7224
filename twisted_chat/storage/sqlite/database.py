"""One SQLite file that holds a message log. Plain, blocking calls, all from one thread.

1. WAL with ``synchronous=FULL``, both asserted: a commit is flushed to disk before it returns
   (https://sqlite.org/pragma.html#pragma_synchronous). With NORMAL it is not.
2. After any failed write the connection is closed, which drops all its cached pages, and reopened. A failed fsync does not
   say which pages are on disk, and the next fsync reports success (https://wiki.postgresql.org/wiki/Fsync_Errors).
   The pages that the failed commit wrote to the WAL may exist only in the system's memory, yet look complete and committed.
   A power failure would then cut off these pages and everything written after them.
3. So a connection writes only after it has moved the whole WAL into the file, flushed it and restarted the WAL. This includes
   the first connection: the previous daemon may have ended in the middle of a commit. Nothing is persisted until this
   succeeds. Then the remains of a failed commit are deleted, because its senders were told that it was not persisted.
4. Checkpoints are made here, not by SQLite's commits, which ignore a failed checkpoint. They are due after an amount of
   written data. The amount is an estimate, because SQLite does not report it; the size of the ``-wal`` bounds it.
5. A commit counts as failed if the files are no longer those that were opened: a commit to a file that was deleted, renamed or
   replaced would be missing after the next start. A replacement file must be this log, with its latest message.
6. The first commit after each checkpoint reserves one more number, and the lock file records it. The next start uses this to
   detect a missing ``-wal``.
7. A separate file holds the index of rooms and words. It may be incomplete, and may be lost: see `storage.index.index`. No
   fault of it stops the log.
8. A commit that finds the file damaged rebuilds the index of keys and is retried once. If that fails too, there are no more
   commits until the daemon is restarted, which checks the file.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from operator import itemgetter
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from twisted.logger import Logger

from twisted_chat import private_files
from twisted_chat.core.interfaces import Query
from twisted_chat.core.text.names import fold
from twisted_chat.storage.index import search
from twisted_chat.storage.index.index import INDEX_AT, Index
from twisted_chat.storage.index.room_index import Row
from twisted_chat.storage.index.search import Stored as Stored
from twisted_chat.storage.sqlite import renewal
from twisted_chat.storage.sqlite.renewal import PAGE_SIZE, StateError
from twisted_chat.storage.sqlite.state_dir import Folder, Identity

T = TypeVar("T")

# Bytes between checkpoints: 46 commits of 100 messages. A checkpoint writes a page once, however many commits changed it.
WAL_BYTES, SMALLEST_WAL = 8 * 1024 * 1024, 128 * 1024
# The most bytes returned to the file system in one step: 10 ms (measured).
GIVEN_BACK = 1 << 20
# The pages that a commit writes besides the texts: the end of the table, the index of keys, the reserved numbers.
PAGES_A_COMMIT, ROWS_A_PAGE = 4, 16

INSERT = (
    "INSERT INTO messages (seq, time, room, kind, author, text, key) VALUES {}"
    " ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING"
)
ROW = "(?, ?, ?, ?, ?, ?, ?)"
INSERT_ONE = INSERT.format(ROW)
# Rows inserted by one statement: half the cost of one statement each (measured). More rows gain nothing.
ROWS_AT_ONCE = 25
INSERT_MANY = INSERT.format(", ".join([ROW] * ROWS_AT_ONCE))

READ_ONE = "SELECT seq, time, room, kind, author, text FROM messages WHERE seq = ?"
# The room is compared here too, because the index may be wrong.
READ = (
    "SELECT seq, time, room, kind, author, text FROM messages"
    " WHERE seq IN (SELECT value FROM json_each(?)) AND room = ? ORDER BY seq"
)
READ_BACKWARDS = READ + " DESC"
LAST_BEFORE = "SELECT max(seq) FROM messages WHERE seq IN (SELECT value FROM json_each(?)) AND room = ? AND time < ?"


class Database:
    """The file ``chat.db`` in a folder. Call `claim` first, then `open`, then the rest, from one thread at a time."""

    _logger = Logger()

    def __init__(self, folder: Path) -> None:
        self._folder = Folder(folder)
        self.path = self._folder.path
        self._connection: sqlite3.Connection | None = None
        self._files: Identity = ()
        self._trusted = False  # True if this connection may write: rule 3
        self._damage = ""
        self._damaged = False  # True if the last transaction found damage
        self._busy_ms = 0
        self._unchecked = 0  # estimated pages written since the last checkpoint
        self._wal_bytes = WAL_BYTES
        self._id = ""
        self.kept = 0  # the highest number of a message that is or was on disk
        self._pruned = 0  # all messages up to this number are deleted
        self._index = Index(folder / "chat-index.db", self._connect)

    def claim(self) -> None:
        """Lock the folder, make it if necessary, and check the file in it. Raise `StateError`."""
        self._folder.claim()

    def release(self) -> None:
        """Unlock the folder."""
        self._folder.release()

    def open(self, block: int) -> tuple[str, int]:
        """Open or make the file, and reserve the next ``block`` numbers.

        Return the log's id and the highest number that may have been used. Raise `StateError`.
        """
        try:
            if self.path.exists():
                self._folder.renew()
            else:
                self._folder.make()
            self._folder.tell()
            connection = self._connect()
            self._drop_strangers(connection)
            log_id, used = connection.execute("SELECT id, reserved FROM log").fetchone()
            self._id = str(log_id)
            self.kept = int(connection.execute("SELECT coalesce(max(seq), 0) FROM messages").fetchone()[0])
            self._index.open(self._id, self.kept)
            self.commit([], used + block)
        except StateError:
            self._disconnect()
            self.release()
            raise
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:  # UnicodeDecodeError: SQLite quotes damaged text
            self._disconnect()
            self.release()
            raise StateError(f"The log {self.path} can't be opened: {error}.") from None
        return self._id, int(used)

    def close(self, newest: int) -> None:
        """Release the reserved numbers above ``newest``, and close the file."""
        try:
            self._folder.note(self._id, newest)
            self.write([("UPDATE log SET reserved = ?", (newest,))])
        finally:
            self._index.close()
            self._disconnect()
            self.release()

    def wait_for_locks(self, milliseconds: int) -> None:
        """Set how long the next writes wait for another process that locks the file."""
        self._busy_ms = milliseconds
        if self._connection is not None:
            self._connection.execute(f"PRAGMA busy_timeout = {milliseconds:d}")

    def commit(self, rows: Sequence[Row], reserve: int | None) -> dict[int, int]:
        """Write messages in one transaction, and the highest number that may be used if ``reserve`` is given.

        Return the stored number of each message whose key was already stored. All data is on disk when this returns.
        Raise `sqlite3.Error` if it fails: then none of it is in the history, now or after recovery.
        """
        duplicates: dict[int, int] = {}

        def work(connection: sqlite3.Connection) -> None:
            duplicates.update(self._insert(connection, rows))
            if reserve is not None:
                connection.execute("UPDATE log SET reserved = max(reserved, ?)", (reserve,))

        self._transact(work, PAGES_A_COMMIT + len(rows) // ROWS_A_PAGE)
        fresh = [row for row in rows if row[0] not in duplicates] if duplicates else rows
        self.kept = max(map(itemgetter(0), fresh), default=self.kept)
        self._unchecked += self._index.add(fresh, self.kept) // PAGE_SIZE
        return duplicates

    def find(self, key: bytes) -> int | None:
        """Return the number of the message with this key."""
        found = self._connect().execute("SELECT seq FROM messages WHERE key = ?", (key,)).fetchone()
        return None if found is None else int(found[0])

    def read(self, room: str, after: int, before: int, limit: int, newest_first: bool) -> list[Stored]:
        """Return messages of a room with numbers between the two, both excluded."""
        numbers = self._looked_up(lambda: self._index.numbers(room, after, before, limit, newest_first))
        return self.query(READ_BACKWARDS if newest_first else READ, (json.dumps(numbers), room))

    def last_before(self, room: str, time: float) -> int:
        """Return the number of a room's last message before a time; 0 if there is none."""

        def look() -> int:
            for numbers in self._index.parts(room, 0, self.kept + 1, True, time):
                if found := self.query(LAST_BEFORE, (json.dumps(numbers), room, time))[0][0]:
                    return int(found)
            return 0

        return self._looked_up(look)

    def count(self, room: str, after: int, upto: int, limit: int) -> int:
        """Return the number of a room's messages above ``after`` and up to ``upto``, at most ``limit``."""
        return len(self._looked_up(lambda: self._index.numbers(room, after, upto + 1, limit, False)))

    def search(self, query: Query) -> list[Stored]:
        """Return the newest matching messages, newest first. Raise `sqlite3.OperationalError` if it takes too long."""
        self._index.update()
        return search.search(self._connect(), self._index, query)

    def erase(self, seq: int, rooms: Sequence[str], instead: str) -> Stored | None:
        """Replace the text of a message. Return the message as it was."""
        found = self.query(READ_ONE, (seq,))
        if not found or found[0][2] not in rooms:
            return None
        row: Stored = found[0]
        has_words = row[2].startswith("#")
        if has_words:
            self._index.unseal(seq)
        self.write([("UPDATE messages SET text = ? WHERE seq = ?", (instead, seq))])
        if has_words:
            self._index.replace(seq, row[5], instead)
        return row

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows of a SELECT."""
        return self._connect().execute(statement, values).fetchall()

    def write(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Run statements in one transaction, on disk when this returns. On failure change nothing and raise `sqlite3.Error`."""

        def work(connection: sqlite3.Connection) -> None:
            for statement, values in statements:
                connection.execute(statement, values)

        self._transact(work, 1)

    def prune(self, upto: int) -> None:
        """Delete the messages up to a number, and the index of these alone. Raise `sqlite3.Error`."""

        rows = 0

        def work(connection: sqlite3.Connection) -> None:
            nonlocal rows
            rows = connection.execute("DELETE FROM messages WHERE seq <= ?", (upto,)).rowcount

        self._transact(work, PAGES_A_COMMIT)
        self._unchecked += rows // ROWS_A_PAGE
        self._pruned = max(self._pruned, upto)
        self._index.prune(upto)

    @property
    def index_incomplete(self) -> bool:
        """True if `mend` has work to do. Any thread may read it."""
        return self._index.incomplete

    def mend(self) -> float | None:
        """Add some messages that the index lacks. Return the seconds until the next call; None if the index is complete."""
        return self._index.mend()

    def limit(self, size: int) -> None:
        """Prepare for a log of at most ``size`` bytes: a small log is checkpointed and indexed after less data."""
        self._wal_bytes = self._index.file.wal_bytes = max(SMALLEST_WAL, min(WAL_BYTES, size // 32))
        self._index.at = max(INDEX_AT // 16, min(INDEX_AT, size // 32))

    def used_bytes(self) -> int:
        """Return the bytes in use in the files, including those that the index will use once it has all messages."""
        pages, free, size = (self.query(f"PRAGMA {name}")[0][0] for name in ("page_count", "freelist_count", "page_size"))
        return int((pages - free) * size) + self._index.used_bytes()

    def free_bytes(self) -> int:
        """Return the unused bytes in the files, which could be returned to the file system."""
        free, size = (self.query(f"PRAGMA {name}")[0][0] for name in ("freelist_count", "page_size"))
        return int(free * size) * self.shrinks() + self._index.file.bytes_in("freelist_count")

    def waiting_bytes(self) -> int:
        """Return the bytes on disk that a checkpoint will move into the files."""
        return sum(private_files.size(files[1]) for files in (self._folder.files, self._index.file.files()))

    def disk_bytes(self) -> int:
        """Return the size of the files on disk, including SQLite's own files beside them."""
        return self._folder.disk_bytes() + sum(private_files.size(path) for path in self._index.file.files())

    def shrinks(self) -> bool:
        """Return whether the log's file can return space. Only files created with that ability can."""
        return bool(self.query("PRAGMA auto_vacuum")[0][0] == 2)

    def give_back(self) -> None:
        """Return some unused space to the file system. Raise `sqlite3.Error`."""
        pages = max(1, min(GIVEN_BACK, 2 * self._wal_bytes) // PAGE_SIZE)
        vacuum = f"PRAGMA incremental_vacuum({pages:d})"
        self._transact(lambda connection: connection.execute(vacuum).fetchall(), 2 * pages)
        if self._folder.wal_bytes > self._wal_bytes:
            self._truncate_wal(self._connect())
        self._index.file.give_back(pages)

    def _transact(self, work: Callable[[sqlite3.Connection], object], weight: int) -> None:
        """Run ``work`` in one transaction of about ``weight`` pages, and check that it went into the log's files."""
        try:
            self._try(work)
        except sqlite3.DatabaseError as error:
            if not self._damaged:
                raise
            try:
                self._make_keys()
                self._try(work)
            except sqlite3.DatabaseError as again:
                if type(again) is sqlite3.DatabaseError:
                    self._damage = str(error)
                raise
            self._logger.warn("The index of messages' keys in {path} was damaged, and is made anew.", path=str(self.path))
        self._unchecked += weight

    def _make_keys(self) -> None:
        """Rebuild everything in the file that is derived from the messages."""
        connection = self._writable()
        try:
            connection.execute("BEGIN IMMEDIATE")
            renewal.make_keys(connection)
            connection.execute("COMMIT")
        finally:
            self._disconnect()

    def _try(self, work: Callable[[sqlite3.Connection], object]) -> None:
        try:
            self._damaged = False
            connection = self._writable()
            if self._folder.wal_bytes > 2 * self._wal_bytes:
                self._truncate_wal(connection)
            elif self._unchecked * PAGE_SIZE >= self._wal_bytes:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._unchecked = 0
            connection.execute("BEGIN IMMEDIATE")
            first = self._unchecked == 0
            if first:
                connection.execute("UPDATE log SET reserved = reserved + 1")
            work(connection)
            connection.execute("COMMIT")
            if self._folder.identity() != self._files:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # so that the file is complete, wherever it is now
                raise sqlite3.OperationalError("the log's files were deleted, renamed or replaced while they were in use")
            if first:
                self._folder.note(self._id, connection.execute("SELECT reserved FROM log").fetchone()[0])
        except BaseException as error:
            # Subclasses stand for other faults, and a file that is no longer ours is not damage.
            self._damaged = type(error) is sqlite3.DatabaseError and self._trusted and self._folder.identity() == self._files
            self._disconnect()
            raise

    def _truncate_wal(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA busy_timeout = 0")  # a reader may take long: do not wait for it
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {self._busy_ms:d}")
        self._unchecked = 0

    def _looked_up(self, look: Callable[[], T]) -> T:
        """Run a lookup in the index. Interrupt it if it takes long, as it may while the index lacks messages."""
        if not self._index.incomplete:
            return look()
        connection, end = self._connect(), monotonic() + search.SEARCH_SECONDS
        connection.set_progress_handler(lambda: monotonic() > end, 10_000)
        try:
            return look()
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            raise type(error)("the index of rooms is being made anew; try again later") from None
        finally:
            connection.set_progress_handler(None, 0)

    def _drop_strangers(self, connection: sqlite3.Connection) -> None:
        """Drop all triggers, and make the index of keys if it is missing."""
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for (name,) in names:
            connection.execute('DROP TRIGGER "{}"'.format(name.replace('"', '""')))
        renewal.add_keys(connection)

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
        """Return a connection that has checked the file (rules 3, 5 and 8)."""
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
                connection.execute(f"PRAGMA journal_size_limit = {2 * self._wal_bytes:d}")
                modes = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode = WAL", "synchronous")]
                if modes != ["wal", 2]:
                    raise sqlite3.OperationalError(f"no WAL with synchronous=FULL here, but {modes}")
                connection.execute("SELECT id FROM log").fetchone()  # the first read opens the -wal and the -shm
                self._files = self._folder.identity()
                if self._files[0] != before[0] or None in self._files:
                    raise sqlite3.OperationalError("the log's files were replaced while they were opened")
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self._unchecked = 0
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection, self._trusted = self._connection, None, False
        if connection is not None:
            with suppress(sqlite3.Error):  # a failed write has been reported already
                connection.close()
