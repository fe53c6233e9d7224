"""The folder of a message log: whose it is, and whether what lies in it can be begun with. Plain, blocking calls.

1. A folder belongs to one process: `claim` locks a file in it, for as long as the process lives, forks included.
2. A file is ours (``application_id``), of a version we know (``user_version``), and sound, or `claim` refuses it.
   One that is not there is made beside and renamed, so that an empty or half-made file is damage, never a beginning.
3. The lock file says which log the folder holds, and which numbers that log has reserved at least. So a log that is gone
   is a fault, not a beginning; and so is one whose ``-wal`` is gone, or that is an older copy: it has reserved fewer. (That
   the ``-wal`` is not there says nothing: whoever looks at the log after the daemon was killed moves it into the log.)
"""

import fcntl
import os
import secrets
import sqlite3
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

# "Twch": tells our files from other programs' (https://sqlite.org/pragma.html#pragma_application_id).
APPLICATION_ID = 0x54776368
VERSION = 8
# Of new files, in bytes. With twice SQLite's default, messages by the hundred cost 4 % less, and one by itself no more.
PAGE_SIZE = 8192
# Which files these are, whatever they are called: device and inode of each, None for one that is not there.
Identity: TypeAlias = tuple[tuple[int, int] | None, ...]


class StateError(Exception):
    """The state folder can't be used. One sentence for the person who starts the daemon."""


def script(version: int) -> str:
    """The SQL that makes a file of the version before one of this version."""
    return files(__package__).joinpath(f"schema/{version}.sql").read_text("utf-8")


class Folder:
    """Where ``chat.db`` lies, with its ``-wal`` and ``-shm``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "chat.db"
        self._folder = folder
        self._files = tuple(folder / f"chat.db{suffix}" for suffix in ("", "-wal", "-shm"))
        self._lock_path = folder / "chat.lock"
        self._lock: int | None = None

    def claim(self) -> None:
        """Lock the folder, making it if needed, and check the file in it. Raises `StateError`."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
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

    def note(self, log_id: str, reserved: int) -> None:
        """Write down which log this is, and up to which number it has reserved some. If that fails, less is noticed later."""
        if self._lock is not None:
            with suppress(OSError):
                os.pwrite(self._lock, f"{log_id} {reserved:019}\n".encode(), 0)  # of one length: a full disk allows it
                os.fsync(self._lock)

    def identity(self) -> Identity:
        """Which files the log's names stand for now.

        They are never opened for that: closing them would cancel SQLite's locks (https://sqlite.org/howtocorrupt.html, 2.2).
        """
        found: list[tuple[int, int] | None] = []
        for path in self._files:
            try:
                status = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((status.st_dev, status.st_ino))
        return tuple(found)

    def make(self) -> None:
        """Make the file beside its place, flushed, then rename it: it is there whole or not at all."""
        beside = self.path.with_suffix(".new")
        beside.unlink(missing_ok=True)
        connection = sqlite3.connect(beside, isolation_level=None)
        try:
            connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
            scripts = "".join(script(number) for number in range(1, VERSION + 1))
            marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
            # In one transaction: each of the tables would be flushed by itself, and the start wait for a hundred flushes.
            connection.executescript(f"BEGIN; {scripts} {marks} COMMIT;")
            connection.execute("INSERT INTO log (id, reserved) VALUES (?, 0)", (secrets.token_hex(8),))
        finally:
            connection.close()
        beside.rename(self.path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def upgrade(self, connection: sqlite3.Connection) -> None:
        """Bring a file of an earlier version up to ours: a copy is laid beside it, then it is changed in one transaction."""
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version == VERSION:
            return
        copy = self.path.with_name(f"chat-schema-{version}.db")
        copy.unlink(missing_ok=True)
        connection.execute("VACUUM INTO ?", (str(copy),))
        scripts = "".join(script(number) for number in range(version + 1, VERSION + 1))
        connection.executescript(f"BEGIN IMMEDIATE; {scripts} PRAGMA user_version = {VERSION}; COMMIT;")

    def _check(self) -> None:
        """Raises `StateError` if there is a log, or has been one, and it is not a sound one of ours. Changes nothing said."""
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise StateError(f"The state folder {self._folder} can't be written to.")
        log_id, reserved = self._noted()
        anew = f"or remove {self._lock_path}"
        if not os.path.lexists(self.path):
            left = [path.name for path in self._files if path.exists()]
            if log_id or left:
                raise StateError(f"The log {self.path} is gone. Put it back, {anew} {' and '.join(left)} to begin anew.")
            return
        if not self.path.is_file() or not os.access(self.path, os.R_OK | os.W_OK):
            raise StateError(f"The log {self.path} is not a file that can be read and written.")
        if problem := self._problem(reserved):
            raise StateError(
                f"The log {self.path} is damaged ({problem}). Restore it from a backup, or move it away, {anew}, to begin anew."
            )

    def _noted(self) -> tuple[str, int]:
        assert self._lock is not None
        log_id, _, reserved = os.pread(self._lock, 100, 0).decode("ascii", "replace").partition(" ")
        return log_id, int(reserved) if reserved.strip().isdecimal() else 0

    def _problem(self, reserved: int) -> str | None:
        """What is wrong inside the file. Raises `StateError` if it is no log of ours, or not the latest."""
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
                problem: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if problem != "ok":
                    return problem.splitlines()[-1]
                found = connection.execute("SELECT reserved FROM log").fetchall()
                if len(found) == 1 and found[0][0] < reserved:
                    raise StateError(
                        f"The log {self.path} lacks what was said last: its -wal is gone, or it is an older copy."
                        f" Put the latest back, or remove {self._lock_path} to go on with this one."
                    )
                return None if len(found) == 1 else "a table is empty"
            finally:
                connection.close()
        except UnicodeDecodeError:  # what SQLite says quotes the damaged text
            return "its tables are not described any more"
        except sqlite3.Error as error:
            return str(error)
