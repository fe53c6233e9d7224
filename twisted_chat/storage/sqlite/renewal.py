"""Rebuild a log from the messages and records of an old file, which has an earlier version or is damaged elsewhere.

1. Only the tables of `truth` are read from the old file: the indexes of earlier versions in it may be damaged or missing.
2. The new file is made beside the old one, flushed, and takes its name in one step. The old one stays under another name.
3. The new file can return space to the file system (``auto_vacuum``). Older files cannot.
"""

import os
import re
import sqlite3
from contextlib import closing, suppress
from importlib.resources import files
from pathlib import Path

from twisted_chat import private_files

# "Twch": distinguishes our files from those of other programs (https://sqlite.org/pragma.html#pragma_application_id).
APPLICATION_ID = 0x54776368
VERSION = 8
# The page size of new files, in bytes. At twice SQLite's default, commits of a hundred messages cost 4 % less, others no more.
PAGE_SIZE = 8192
# SQLite's name for its map of pages, which it only needs to return pages; and the most problems that it reports.
PAGE_MAP, MOST_PROBLEMS = re.compile(r"ptr ?map"), 100
# The longest wait for another program that reads the old file, in seconds.
LOCK_SECONDS = 5.0
# Tables that earlier versions derived from the messages. The tables that FTS5 made for "words" begin with "words_".
DERIVED = ("words", "runs", "places", "messages_by_room")
NO_KEYS = "DELETE FROM {}.sqlite_schema WHERE name = 'messages_by_key'"
# Duplicate keys exist if the index that forbids them was damaged.
ONE_A_KEY = "UPDATE messages SET key = NULL WHERE key IS NOT NULL AND seq NOT IN (SELECT min(seq) FROM messages GROUP BY key)"
KEYS = "CREATE UNIQUE INDEX IF NOT EXISTS messages_by_key ON messages (key) WHERE key IS NOT NULL"


class StateError(Exception):
    """An unusable state folder, in one sentence for the operator."""


def script(version: int) -> str:
    """Return the SQL that migrates a file from the previous version to this one."""
    return files(__package__).joinpath(f"schema/{version}.sql").read_text("utf-8")


def begin(path: Path, version: int) -> sqlite3.Connection:
    """Make a new, empty file of a version. Its contents are not flushed before `finish`."""
    discard(path)
    private_files.make(path)
    connection = sqlite3.connect(path, isolation_level=None, uri=True)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    scripts = "".join(script(number) for number in range(1, version + 1))
    connection.executescript(f"BEGIN; {scripts} PRAGMA application_id = {APPLICATION_ID}; COMMIT;")
    return connection


def finish(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Migrate a file of a version to ours, and flush it."""
    scripts = "".join(script(number) for number in range(version + 1, VERSION + 1))
    connection.executescript(f"BEGIN; {scripts} PRAGMA user_version = {VERSION}; COMMIT;")
    connection.execute("PRAGMA incremental_vacuum").fetchall()
    connection.close()
    flush(path)


def discard(path: Path) -> None:
    """Delete an incomplete file."""
    for suffix in ("-journal", "-wal", "-shm", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Flush a file, or the names in a folder, to disk. Raise `OSError`."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def truth(connection: sqlite3.Connection, schema: str = "main") -> list[str]:
    """Return the names of the tables that cannot be rebuilt from others."""
    found = connection.execute(f"SELECT name FROM {schema}.sqlite_schema WHERE type = 'table' ORDER BY name")  # noqa: S608
    return [name for (name,) in found if name not in DERIVED and not name.startswith(("words_", "sqlite_"))]


def damage(connection: sqlite3.Connection) -> str | None:
    """Return the damage in the tables of `truth`, or None. May also raise `sqlite3.Error`."""
    connection.execute("BEGIN")
    try:
        # Hide the index of keys, which can be rebuilt, from this connection's check only.
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(NO_KEYS.format("main"))
        connection.execute("PRAGMA writable_schema = RESET")
        for table in truth(connection):
            found = [line for (text,) in connection.execute(f"PRAGMA quick_check('{table}')") for line in text.splitlines()]
            problems = [line for line in found if line != "ok" and not line.startswith("***") and not PAGE_MAP.search(line)]
            if problems:
                return problems[0]
            if len(found) >= MOST_PROBLEMS:  # there may be more that it does not report
                for _ in connection.execute(f"SELECT * FROM {table} NOT INDEXED"):  # noqa: S608
                    pass
        return None
    finally:
        connection.execute("ROLLBACK")


def make_keys(connection: sqlite3.Connection) -> None:
    """Rebuild the index of messages' keys in a transaction. Raise `sqlite3.Error`."""
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(NO_KEYS.format("main"))
    connection.execute("PRAGMA writable_schema = RESET")
    add_keys(connection)


def add_keys(connection: sqlite3.Connection) -> None:
    """Make the index of messages' keys if it is missing."""
    try:
        connection.execute(KEYS)
    except sqlite3.IntegrityError:
        connection.execute(ONE_A_KEY)
        connection.execute(KEYS)


def renew(path: Path, version: int, old_name: str) -> None:
    """Replace a file of an earlier version, or of ours, by one of our version with all its messages and records.

    The old file is renamed, and replaces an older one of that name. Raise `StateError`, `OSError` or `sqlite3.Error` if it
    fails: then nothing has changed.
    """
    with closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=LOCK_SECONDS)
    ) as old:
        _end_wal(old, path)
        _check_space(old, path)
    beside = path.with_suffix(".new")
    try:
        new = begin(beside, version)
        with closing(new):
            _copy(path, new)
            finish(new, beside, version)
    except BaseException:
        with suppress(OSError):
            discard(beside)
        raise
    _swap(path, beside, path.with_name(old_name))


def _end_wal(old: sqlite3.Connection, path: Path) -> None:
    """Move everything into one file that no process reads: a ``-wal`` belongs to a name, and the new file would inherit it."""
    old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    try:
        (mode,) = old.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        mode = "wal"
    if mode == "wal":
        raise StateError(f"Another program is reading {path}, which has to be converted. End it, then start again.")


def _check_space(old: sqlite3.Connection, path: Path) -> None:
    pages, free, size = (old.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
    needed = (pages - free) * size
    disk = os.statvfs(path.parent)
    there = disk.f_bavail * disk.f_frsize
    if there < needed:
        raise StateError(
            f"Converting the log {path} takes up to {megabytes(needed)} of disk, and {megabytes(there)} are free."
            " Make room, then start again."
        )


def _copy(path: Path, new: sqlite3.Connection) -> None:
    """Copy all messages and records into a file of the same version. Additional columns get their defaults."""
    new.execute("ATTACH ? AS old", (f"{path.absolute().as_uri()}?mode=ro",))
    new.execute("BEGIN")
    new.execute("DROP INDEX IF EXISTS messages_by_key")
    there = set(truth(new, "old"))
    for table in truth(new):
        if table not in there:
            raise sqlite3.DatabaseError(f"the table {table} is missing")
        known = {row[1] for row in new.execute(f"PRAGMA old.table_info('{table}')")}
        columns = ", ".join(row[1] for row in new.execute(f"PRAGMA main.table_info('{table}')") if row[1] in known)
        new.execute(f"DELETE FROM main.{table}")  # noqa: S608
        new.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM old.{table} NOT INDEXED")  # noqa: S608
    if "indexed" in {row[1] for row in new.execute("PRAGMA main.table_info('log')")}:
        new.execute("UPDATE log SET indexed = 0")
    add_keys(new)
    new.execute("COMMIT")
    new.execute("DETACH old")


def _swap(path: Path, new: Path, aside: Path) -> None:
    """Rename ``path`` to ``aside``, and ``new`` to ``path``."""
    aside.unlink(missing_ok=True)
    try:
        os.link(path, aside)
    except OSError:  # no hard links here: for a moment only the other name of the log exists
        path.rename(aside)
    new.rename(path)
    flush(path.parent)


def megabytes(size: int) -> str:
    """Format a size in megabytes."""
    return f"{size / 1_000_000:.0f} MB"
