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
import os
import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

# "Twch": tells our files from other programs' (https://sqlite.org/pragma.html#pragma_application_id).
APPLICATION_ID = 0x54776368
VERSION = 1
# The WAL is cut back to this many bytes when it has been checkpointed.
WAL_LIMIT = 64 * 1024 * 1024

Row: TypeAlias = tuple[int, float, str, str, str, str, bytes | None]

INSERT = (
    "INSERT INTO messages (seq, time, room, kind, author, text, key) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"
)

READ = "SELECT seq, time, kind, author, text FROM messages WHERE room = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?"
READ_BACKWARDS = READ.replace("ORDER BY seq", "ORDER BY seq DESC")


class StateError(Exception):
    """The state folder can't be used. One sentence for the person who starts the daemon."""


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
            log_id, used = self._connect().execute("SELECT id, reserved FROM log").fetchone()
            self.commit([], used + block)
        except (OSError, sqlite3.Error) as error:
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

    def read(
        self, room: str, after: int, before: int, limit: int, newest_first: bool
    ) -> list[tuple[int, float, str, str, str]]:
        """Messages of a room with numbers between the two, both excluded: (seq, time, kind, author, text)."""
        query = READ_BACKWARDS if newest_first else READ
        return self._connect().execute(query, (room, after, before, limit)).fetchall()

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
            connection.executescript(files(__package__).joinpath(f"schema/{VERSION}.sql").read_text("utf-8"))
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
