"""The folder of a message log: its owner, and the check of its files at the start. Plain, blocking calls.

1. A folder belongs to one process: `claim` locks a file in it for the life of the process, forks included.
2. `claim` refuses a file unless it is ours (``application_id``), has a known version (``user_version``), and its messages and
   records are sound. A missing file is made under another name, then renamed: an empty or incomplete file is therefore
   damage, never a new log. `open` repairs damage elsewhere in the file in the way it migrates earlier versions: see `renewal`.
3. The lock file records the id of the folder's log, and a lower bound of the numbers that the log has reserved. So a missing
   log is a fault, not a new log. A log without its ``-wal``, or an older copy, is also a fault: it has reserved fewer.
   (A missing ``-wal`` alone proves nothing: any program that opens the log after the daemon was killed moves the ``-wal``
   into the log.)
4. Only the owner may read and write the files, whatever the umask and the mode of the folder are.
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

# The identity of files, independent of their names: device and inode of each, None for a missing one.
Identity: TypeAlias = tuple[tuple[int, int] | None, ...]

# The files that a daemon, or an earlier version, puts into its folder. All other files are left alone.
OURS = ("chat.db*", "chat.new*", "chat.lock", "chat-*.db*", "ssh_host_*", "operator-claim*", "tls/*.pem", "tls/*.new")
DAMAGED_NAME = "chat-damaged.db"


class Folder:
    """The folder of ``chat.db``, its ``-wal`` and its ``-shm``."""

    _logger = Logger()

    def __init__(self, folder: Path) -> None:
        self.path = folder / "chat.db"
        self._folder = folder
        self.files = tuple(folder / f"chat.db{suffix}" for suffix in ("", "-wal", "-shm"))
        self._lock_path = folder / "chat.lock"
        self._lock: int | None = None
        self._damage = ""  # damage in the file outside its messages and records
        self.wal_bytes = 0  # the size of the -wal at the last call of `identity`

    def claim(self) -> None:
        """Lock the folder, make it if necessary, and check the file in it. Raise `StateError`."""
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
        """Unlock the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def note(self, log_id: str, reserved: int) -> None:
        """Record the log's id and its highest reserved number. A failure only makes later checks weaker."""
        if self._lock is not None:
            with suppress(OSError):
                os.pwrite(self._lock, f"{log_id} {reserved:019}\n".encode(), 0)  # constant length: works on a full disk
                os.fsync(self._lock)

    def identity(self) -> Identity:
        """Return the identity of the files that now have the log's names.

        Do not open them: closing them would cancel SQLite's locks (https://sqlite.org/howtocorrupt.html, 2.2).
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
        """Return the log's size on disk, including SQLite's own files beside it."""
        return sum(private_files.size(path) for path in self.files)

    def make(self) -> None:
        """Make the file under another name, flush it, then rename it, so that it is never incomplete."""
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
        """Migrate a file of an earlier version, or repair a damaged one. The old file stays beside it.

        Raise `StateError`, `OSError` or `sqlite3.Error` if it fails: then nothing has changed.
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
        """Log what the operator should know about the folder."""
        mode = stat.S_IMODE(self._folder.stat().st_mode)
        if mode & private_files.OTHERS:
            self._logger.warn(
                "[STATE] Other users can look into the folder {folder} (its mode is {mode}). Close it: chmod 700 {folder}",
                folder=str(self._folder),
                mode=f"{mode:04o}",
            )

    def _restrict(self) -> None:
        """Remove other users' access to the files. Skip files that belong to another user."""
        for path in (path for pattern in OURS for path in self._folder.glob(pattern)):
            with suppress(OSError):
                private_files.restrict(path)

    def _check(self) -> None:
        """Raise `StateError` if there is or was a log, and it is not a sound one of ours. Change no message."""
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
        """Return the damage inside the file. Raise `StateError` if it is not our log, or not the latest."""
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
        except UnicodeDecodeError:  # SQLite's message quotes the damaged text
            return "its tables are not described any more"
        except sqlite3.Error as error:
            return str(error)

    def _damaged(self, connection: sqlite3.Connection, version: int) -> str | None:
        """Return the damage in messages or records. Note damage elsewhere in the file for `renew`."""
        if version == VERSION:  # check it all; indexes in files of earlier versions are ignored
            try:
                problem: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            except sqlite3.DatabaseError as error:
                problem = str(error)
            if problem == "ok":
                return None
            self._damage = problem.splitlines()[-1]
        return renewal.damage(connection)
