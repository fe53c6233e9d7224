"""One SQLite file that holds a message log, and the folder it lies in. Plain, blocking calls.

1. A folder belongs to one process: `claim` locks a file in it, for as long as the process lives, forks included.
2. A file is ours (``application_id``), of a version we know (``user_version``), and sound, or `claim` refuses it.
   One that is not there is made beside and renamed, so that an empty or half-made file is damage, never a beginning.
3. WAL with ``synchronous=FULL``, both asserted: a commit has been flushed to disk when it returns
   (https://sqlite.org/pragma.html#pragma_synchronous). WAL with NORMAL has not.
4. After any failed write the connection is closed, with every page it held, and opened again: a failed fsync says
   nothing about which pages are on disk (https://sqlite.org/forum, "fsyncgate").
"""

import fcntl
import json
import os
import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias

from twisted_chat.core.names import fold
from twisted_chat.core.ports import Query

# "Twch": tells our files from other programs' (https://sqlite.org/pragma.html#pragma_application_id).
APPLICATION_ID = 0x54776368
VERSION = 2
# How long a search may keep the thread from keeping messages, in seconds.
SEARCH_SECONDS = 0.5
# The WAL is cut back to this many bytes when it has been checkpointed.
WAL_LIMIT = 64 * 1024 * 1024

Row: TypeAlias = tuple[int, float, str, str, str, str, bytes | None]
Stored: TypeAlias = tuple[int, float, str, str, str, str]  # seq, time, room, kind, author, text

INSERT = (
    "INSERT INTO messages (seq, time, room, kind, author, text, key) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"
)

STORED = "SELECT seq, time, room, kind, author, text FROM messages"
READ = f"{STORED} WHERE room = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?"
READ_BACKWARDS = READ.replace("ORDER BY seq", "ORDER BY seq DESC")
LAST_BEFORE = "SELECT seq FROM messages WHERE room = ? AND time < ? ORDER BY seq DESC LIMIT 1"
COUNT = "SELECT count(*) FROM (SELECT 1 FROM messages WHERE room = ? AND seq > ? AND seq <= ? LIMIT ?)"
SEARCH = """
    SELECT m.seq, m.time, m.room, m.kind, m.author, m.text FROM words JOIN messages AS m ON m.seq = words.rowid
    WHERE words MATCH ? AND words.rowid < ? AND m.room IN (SELECT value FROM json_each(?)) AND m.time >= ?
    AND (? = '' OR fold(m.author) = ?) ORDER BY words.rowid DESC LIMIT ?
"""


class StateError(Exception):
    """The state folder can't be used. One sentence for the person who starts the daemon."""


def script(version: int) -> str:
    """The SQL that makes a file of the version before one of this version."""
    return files(__package__).joinpath(f"schema/{version}.sql").read_text("utf-8")


class Database:
    """The file ``chat.db`` in a folder. `claim` first, then `open`, then the rest, from one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "chat.db"
        self._folder = folder
        self._lock: int | None = None
        self._connection: sqlite3.Connection | None = None
        self._busy_ms = 0

    def claim(self) -> None:
        """Lock the folder, making it if needed, and check the file in it. Raises `StateError`."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self._folder / "chat.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise StateError(f"Another daemon is using the state folder {self._folder}.") from None
        except OSError as error:
            self.release()
            raise StateError(f"The state folder {self._folder} can't be used: {error.strerror}.") from None
        try:
            self._check()
        except StateError:
            self.release()
            raise

    def release(self) -> None:
        """Let another process have the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def open(self, block: int) -> tuple[str, int]:
        """Open or make the file, and reserve the next ``block`` numbers.

        Returns the log's id and the highest number that may have been used. Raises `StateError`.
        """
        try:
            if not self.path.exists():
                self._make()
            self._upgrade()
            log_id, used = self._connect().execute("SELECT id, reserved FROM log").fetchone()
            self.commit([], used + block)
        except (OSError, sqlite3.Error) as error:
            self._disconnect()
            self.release()
            raise StateError(f"The log {self.path} can't be opened: {error}.") from None
        return str(log_id), int(used)

    def close(self, newest: int) -> None:
        """Give back the numbers above ``newest``, and close the file."""
        try:
            self.commit([], newest)
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
        is on disk. Raises `sqlite3.Error`: then none of it is in the history.
        """
        try:
            connection = self._connect()
            connection.execute("BEGIN IMMEDIATE")
            duplicates = self._insert(connection, rows)
            if reserve is not None:
                connection.execute("UPDATE log SET reserved = ?", (reserve,))
            connection.execute("COMMIT")
        except BaseException:
            self._disconnect()
            raise
        return duplicates

    def find(self, key: bytes) -> int | None:
        """The number of the message with this key."""
        found = self._connect().execute("SELECT seq FROM messages WHERE key = ?", (key,)).fetchone()
        return None if found is None else int(found[0])

    def read(self, room: str, after: int, before: int, limit: int, newest_first: bool) -> list[Stored]:
        """Messages of a room with numbers between the two, both excluded."""
        return self.query(READ_BACKWARDS if newest_first else READ, (room, after, before, limit))

    def last_before(self, room: str, time: float) -> int:
        """The number of the last message of a room that was said before a time; 0 if there is none."""
        return int(next(iter(self.query(LAST_BEFORE, (room, time))), (0,))[0])

    def count(self, room: str, after: int, upto: int, limit: int) -> int:
        """How many messages of a room have numbers above one and up to another; at most ``limit``."""
        return int(self.query(COUNT, (room, after, upto, limit))[0][0])

    def search(self, query: Query) -> list[Stored]:
        """The newest messages that fit, newest first. Raises `sqlite3.OperationalError` when it takes too long."""
        words = " ".join('"' + word.replace('"', '""') + '"' for word in query.words)
        before = query.before if query.before is not None else 2**62
        author = fold(query.author) if query.author else ""
        connection = self._connect()
        end = monotonic() + SEARCH_SECONDS
        connection.set_progress_handler(lambda: monotonic() > end, 10_000)
        try:
            given = (words, before, json.dumps(query.rooms), query.since, author, author, query.limit)
            return connection.execute(SEARCH, given).fetchall()
        except sqlite3.OperationalError as error:
            raise type(error)("that takes too long; look for a rarer word") if "interrupted" in str(error) else error from None
        finally:
            connection.set_progress_handler(None, 0)

    def erase(self, seq: int, rooms: Sequence[str], instead: str) -> Stored | None:
        """Put other text in the place of a message's. Returns the message as it was."""
        found = self.query(f"{STORED} WHERE seq = ?", (seq,))
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
        try:
            connection = self._connect()
            connection.execute("BEGIN IMMEDIATE")
            for statement, values in statements:
                connection.execute(statement, values)
            connection.execute("COMMIT")
        except BaseException:
            self._disconnect()
            raise

    def _insert(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> dict[int, int]:
        before = connection.total_changes
        connection.executemany(INSERT, rows)
        if connection.total_changes - before == len(rows):
            return {}
        there = {row[0]: connection.execute("SELECT seq FROM messages WHERE key = ?", (row[6],)) for row in rows if row[6]}
        found = {seq: int(answer.fetchone()[0]) for seq, answer in there.items()}
        return {seq: other for seq, other in found.items() if other != seq}

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            uri = f"{self.path.absolute().as_uri()}?mode=rw"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            try:
                connection.execute(f"PRAGMA busy_timeout = {self._busy_ms:d}")
                connection.execute("PRAGMA synchronous = FULL")
                connection.create_function("fold", 1, fold, deterministic=True)
                connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
                modes = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode = WAL", "synchronous")]
                if modes != ["wal", 2]:
                    raise sqlite3.OperationalError(f"no WAL with synchronous=FULL here, but {modes}")
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):  # what could not be written is reported already
                connection.close()

    def _make(self) -> None:
        """Make the file beside its place, flushed, then rename it: it is there whole or not at all."""
        beside = self.path.with_suffix(".new")
        beside.unlink(missing_ok=True)
        connection = sqlite3.connect(beside, isolation_level=None)
        try:
            for version in range(1, VERSION + 1):
                connection.executescript(script(version))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("INSERT INTO log (id, reserved) VALUES (?, 0)", (secrets.token_hex(8),))
        finally:
            connection.close()
        beside.rename(self.path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _upgrade(self) -> None:
        """Bring a file of an earlier version up to ours: a copy is laid beside it, then it is changed in one transaction."""
        connection = self._connect()
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version == VERSION:
            return
        copy = self.path.with_name(f"chat-schema-{version}.db")
        copy.unlink(missing_ok=True)
        connection.execute("VACUUM INTO ?", (str(copy),))
        scripts = "".join(script(number) for number in range(version + 1, VERSION + 1))
        try:
            connection.executescript(f"BEGIN IMMEDIATE; {scripts} PRAGMA user_version = {VERSION}; COMMIT;")
        except BaseException:
            self._disconnect()
            raise

    def _check(self) -> None:
        """Raises `StateError` if there is a file, and it is not a sound one of ours. Changes nothing."""
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise StateError(f"The state folder {self._folder} can't be written to.")
        if not self.path.exists():
            return
        if not self.path.is_file() or not os.access(self.path, os.R_OK | os.W_OK):
            raise StateError(f"The log {self.path} is not a file that can be read and written.")
        try:
            connection = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=rw", uri=True, timeout=5)
            try:
                ours, version = (
                    connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
                )
                if ours != APPLICATION_ID:
                    raise StateError(f"The file {self.path} is not a chat log, or it is damaged.")
                if version > VERSION:
                    raise StateError(
                        f"The log {self.path} was written by a newer version (schema {version}, this knows {VERSION})."
                    )
                problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if problem == "ok":
                    problem = None if connection.execute("SELECT count(*) FROM log").fetchone() == (1,) else "a table is empty"
            finally:
                connection.close()
        except sqlite3.Error as error:
            problem = str(error)
        if problem:
            first = problem.splitlines()[-1]
            raise StateError(
                f"The log {self.path} is damaged ({first}). Restore it from a backup, or move it away to begin anew."
            )
