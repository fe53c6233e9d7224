"""The file of the index: opened, checked, written in transactions, and deleted when it is faulty.

1. Only `IndexFile.rows` raises a fault of the file, and always as `IndexFault`.
2. After a temporary fault, such as a full disk or another program's lock, the file is left alone until the next try. After any
   other fault, the file is deleted: all its contents can be rebuilt.
3. SQLite's own files beside it are deleted first, so that a new file never inherits a ``-wal``.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.resources import files
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

from twisted.logger import Logger

from twisted_chat import private_files
from twisted_chat.storage.index import segments
from twisted_chat.storage.index.segments import KINDS, Segment

# "Twcx": distinguishes the index from other programs' files and from a log.
APPLICATION_ID, VERSION = 0x54776378, 1
PAGE_SIZE = 8192
# The pause after a repeated or temporary fault of the file, in seconds.
RETRY_SECONDS = 30.0
# Temporary faults, by SQLite's messages, because Python 3.10 does not report its codes.
PASSING = ("locked", "full", "disk I/O", "readonly")
FAULTS = (sqlite3.Error, OSError, ValueError)


class IndexFault(Exception):
    """A fault of the index file."""


class LogFault(Exception):
    """A failed read of the log, not of the index."""


class IndexFile:
    """The index file of a log, and its segments."""

    _logger = Logger()

    def __init__(self, path: Path, fits: Callable[[str, int, float], bool]) -> None:
        """``fits`` returns whether a log id, and a message's number and time, match the indexed log."""
        self.path = path
        self.segments: dict[str, list[Segment]] = {kind: [] for kind in KINDS}
        self.wal_bytes = 4 * 1024 * 1024
        self._fits = fits
        self._connection: sqlite3.Connection | None = None
        self._inode = self._version = 0
        self._failed_at = self._retry_at = -inf
        self.reported = False  # True if the daemon's log has reported a fault

    @property
    def wait(self) -> float:
        """The number of seconds until the file is tried again."""
        return max(0.0, self._retry_at - monotonic())

    def ready(self) -> bool:
        """Open or make the file. Return whether it is usable."""
        self.look()
        for _ in range(2):  # the second time with a new file
            if self._connection is not None or monotonic() < self._retry_at:
                break
            try:
                self._open()
            except (*FAULTS, IndexFault, LogFault) as error:
                self.fail(error)
        return self._connection is not None

    def look(self) -> None:
        """Check that the file is unchanged: no other process has a reason to write to it."""
        if self._connection is not None:
            try:
                version = self._connection.execute("PRAGMA data_version").fetchone()[0]
            except FAULTS as error:
                self.fail(error)
                return
            if _inode(self.path) != self._inode or version != self._version:
                self.fail(IndexFault("another program has deleted, replaced or changed it"))

    def change(self, work: Callable[[sqlite3.Connection], object]) -> bool:
        """Run ``work`` in one transaction. Return whether it succeeded."""
        if not self.ready():
            return False
        assert self._connection is not None
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            work(self._connection)
            self._connection.execute("COMMIT")
        except FAULTS as error:
            self.fail(error)
            return False
        return True

    def rows(self, statement: str, values: dict[str, Any] | tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a SELECT. Raise `IndexFault`, or `sqlite3.OperationalError` if a progress handler has ended it."""
        if self._connection is None:
            raise IndexFault("it is not open")
        try:
            yield from self._connection.execute(statement, values)
        except FAULTS as error:
            if "interrupted" in str(error):
                raise
            raise IndexFault(str(error)) from None

    def set_progress_handler(self, handler: Callable[[], bool] | None, instructions: int) -> None:
        """Call ``handler`` after so many instructions of a read; true ends the read. None removes the handler."""
        if self._connection is not None:
            self._connection.set_progress_handler(handler, instructions)

    def fail(self, error: BaseException) -> None:
        """Continue without the file after this fault."""
        why = str(error)
        passing = isinstance(error, LogFault) or (
            isinstance(error, sqlite3.OperationalError) and any(words in why for words in PASSING)
        )
        self.close()
        now = monotonic()
        if passing or now - self._failed_at < RETRY_SECONDS:
            self._retry_at = now + RETRY_SECONDS
        self._failed_at = now
        if not passing:
            try:
                self._delete()
            except OSError as fault:
                why = f"{why}; it cannot be deleted: {fault.strerror}"
                self._retry_at = now + RETRY_SECONDS
        if not self.reported:
            self.reported = True
            how = "The messages are safe; searches and history take longer until it is made anew."
            self._logger.warn("[INDEX] {path} cannot be used ({why}). {how}", path=str(self.path), why=why, how=how)

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        self.segments = {kind: [] for kind in KINDS}
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def give_back(self, pages: int) -> None:
        """Return up to ``pages`` unused pages to the file system."""
        if self._connection is not None:
            try:
                self._connection.execute(f"PRAGMA incremental_vacuum({pages:d})").fetchall()
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except FAULTS as error:
                self.fail(error)

    def bytes_in(self, pragma: str) -> int:
        """Return the bytes in the pages that a pragma counts; 0 if there is no file."""
        try:
            return PAGE_SIZE * next(self.rows(f"PRAGMA {pragma}"))[0] if self._connection is not None else 0
        except IndexFault as fault:
            self.fail(fault)
            return 0

    def files(self) -> tuple[Path, Path, Path]:
        """Return the paths of the file and of SQLite's own files beside it."""
        return self.path, self.path.with_name(f"{self.path.name}-wal"), self.path.with_name(f"{self.path.name}-shm")

    def _open(self) -> None:
        if not self.path.is_file():
            self._make()
        for path in self.files():
            private_files.restrict(path)
        self._inode = _inode(self.path)
        uri = f"{self.path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=0.2)
        try:
            found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
            if found[0] != APPLICATION_ID:
                raise IndexFault("it is not an index of a log")
            if found[1] != VERSION:
                raise IndexFault(f"it was made by another version: its format is {found[1]}, not {VERSION}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {self.wal_bytes // PAGE_SIZE:d}")
            connection.execute(f"PRAGMA journal_size_limit = {self.wal_bytes:d}")
            every = list(segments.load(connection))
            origin = connection.execute("SELECT log, seq, time FROM origin").fetchone()
            self._version = connection.execute("PRAGMA data_version").fetchone()[0]
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        if origin is not None and not self._fits(*origin):
            raise IndexFault("it was made from another log, or another copy of it")
        self._take(every)

    def _take(self, every: list[tuple[Segment, int | None]]) -> None:
        """Load the intact segments, and drop the others."""
        assert self._connection is not None
        bad = []
        for segment, seal in every:
            whole = False
            with suppress(*FAULTS):
                whole = seal is not None and segments.checksum(self._connection, segment) == seal
            if whole and segment.kind in KINDS:
                self.segments[segment.kind].append(segment)
            else:
                bad.append((segment, seal))
        if bad:
            self._connection.execute("BEGIN IMMEDIATE")
            for segment, _ in bad:
                segments.drop(self._connection, segment)
            self._connection.execute("COMMIT")
        damaged = [segment for segment, seal in bad if seal is not None]
        if damaged and not self.reported:
            self.reported = True
            self._logger.warn("[INDEX] {count} parts of {path} are damaged.", count=len(damaged), path=str(self.path))

    def _make(self) -> None:
        self._delete()
        private_files.make(self.path)
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = OFF")  # an incomplete segment is rebuilt
            connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            marks = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
            script = files(__package__).joinpath("schema/index.sql").read_text("utf-8")
            connection.executescript(f"BEGIN; {script} {marks} COMMIT;")
        finally:
            connection.close()

    def _delete(self) -> None:
        """Delete the file and SQLite's own files beside it. Raise `OSError`."""
        for path in (*self.files()[:0:-1], self.path.with_name(f"{self.path.name}-journal"), self.path):
            path.unlink(missing_ok=True)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0
