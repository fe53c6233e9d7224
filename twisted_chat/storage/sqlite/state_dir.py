"""The folder of a message log: whose it is, and whether what lies in it can be begun with. Plain, blocking calls.

1. A folder belongs to one process: `claim` locks a file in it, for as long as the process lives, forks included.
2. A file is ours (``application_id``), of a version we know (``user_version``), and its messages and records are sound, or
   `claim` refuses it. One that is not there is made beside and renamed, so that an empty or half-made file is damage, never a
   beginning. Damage elsewhere in the file is healed by `open`, as an earlier version is brought up to ours: see `renewal`.
3. The lock file says which log the folder holds, and which numbers that log has reserved at least. So a log that is gone
   is a fault, not a beginning; and so is one whose ``-wal`` is gone, or that is an older copy: it has reserved fewer. (That
   the ``-wal`` is not there says nothing: whoever looks at the log after the daemon was killed moves it into the log.)
4. Only its owner may read and write a file in it, whatever the umask is and whoever may look into the folder.
"""

import fcntl
import os
import secrets
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeAlias

from twisted.logger import Logger

from twisted_chat import private_files
from twisted_chat.storage.sqlite import renewal
from twisted_chat.storage.sqlite.renewal import APPLICATION_ID, VERSION, StateError

# Which files these are, whatever they are called: device and inode of each, None for one that is not there.
Identity: TypeAlias = tuple[tuple[int, int] | None, ...]

# Whatever a daemon, or an earlier version, lays into its folder. What else lies there is none of our business.
OURS = ("chat.db*", "chat.new*", "chat.lock", "chat-*.db*", "ssh_host_*", "operator-claim*", "tls/*.pem", "tls/*.new")
DAMAGED_NAME = "chat-damaged.db"


class Folder:
    """Where ``chat.db`` lies, with its ``-wal`` and ``-shm``."""

    _logger = Logger()

    def __init__(self, folder: Path) -> None:
        self.path = folder / "chat.db"
        self._folder = folder
        self.files = tuple(folder / f"chat.db{suffix}" for suffix in ("", "-wal", "-shm"))
        self._lock_path = folder / "chat.lock"
        self._lock: int | None = None
        self._damage = ""  # what is wrong with the file, but not with its messages and records
        self.wal_bytes = 0  # how large the -wal was when `identity` was asked for last

    def claim(self) -> None:
        """Lock the folder, making it if needed, and check the file in it. Raises `StateError`."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._restrict()
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
        for path in self.files:
            try:
                status = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((status.st_dev, status.st_ino))
                if path is self.files[1]:
                    self.wal_bytes = status.st_size
        return tuple(found)

    def disk_bytes(self) -> int:
        """Return what the log takes on disk, with what SQLite lays beside it."""
        return sum(private_files.size(path) for path in self.files)

    def make(self) -> None:
        """Make the file beside its place, flushed, then rename it: it is there whole or not at all."""
        beside = self.path.with_suffix(".new")
        connection = renewal.begin(beside, VERSION)
        try:
            connection.execute("INSERT INTO log (id, reserved) VALUES (?, 0)", (secrets.token_hex(8),))
            renewal.finish(connection, beside, VERSION)
        finally:
            connection.close()
        beside.rename(self.path)
        renewal.flush(self._folder)

    def renew(self) -> None:
        """Bring a file of an earlier version up to ours, and heal one that is damaged; the old one stays beside it.

        Raises `StateError`, `OSError` and `sqlite3.Error`: then nothing has changed.
        """
        with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=rw", uri=True, timeout=5)) as connection:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version < VERSION or self._damage:
            old = f"chat-schema-{version}.db" if version < VERSION else DAMAGED_NAME
            renewal.renew(self.path, version, old)
            private_files.restrict(self._folder / old)
            why = f"it was damaged: {self._damage}" if self._damage else f"an earlier version made it, with schema {version}"
            self._logger.info(
                "[STATE] {path} was made anew ({why}). The file of before is {old}.", path=str(self.path), why=why, old=old
            )
            self._damage = ""

    def tell(self) -> None:
        """Say in the daemon's log what the operator should know about the folder."""
        mode = stat.S_IMODE(self._folder.stat().st_mode)
        if mode & private_files.OTHERS:
            self._logger.warn(
                "[STATE] Other users can look into the folder {folder} (its mode is {mode}). Close it: chmod 700 {folder}",
                folder=str(self._folder),
                mode=f"{mode:04o}",
            )

    def _restrict(self) -> None:
        """Take files away from others. What cannot be changed, as it belongs to somebody else, is left."""
        for path in (path for pattern in OURS for path in self._folder.glob(pattern)):
            with suppress(OSError):
                private_files.restrict(path)

    def _check(self) -> None:
        """Raises `StateError` if there is a log, or has been one, and it is not a sound one of ours. Changes nothing said."""
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise StateError(f"The state folder {self._folder} can't be written to.")
        log_id, reserved = self._noted()
        anew = f"or remove {self._lock_path}"
        if not os.path.lexists(self.path):
            left = [path.name for path in self.files if path.exists()]
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
                if problem := self._damaged(connection, version):
                    return problem
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

    def _damaged(self, connection: sqlite3.Connection, version: int) -> str | None:
        """What is wrong with messages or records; of what is wrong elsewhere in the file, a note is taken for `renew`."""
        if version == VERSION:  # all of it: earlier versions have indexes in it, which are not looked at
            try:
                problem: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            except sqlite3.DatabaseError as error:
                problem = str(error)
            if problem == "ok":
                return None
            self._damage = problem.splitlines()[-1]
        return renewal.damage(connection)
