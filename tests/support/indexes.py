"""What is in an index file, and what can be wrong with it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from twisted_chat.storage.sqlite.database import Database

NAME = "chat-index.db"


def complete(database: Database) -> None:
    """Let the index have all that it lacks, after a look at what somebody has done to it."""
    database._index._look()
    while database.mend() is not None:
        pass


def indexed(database: Database) -> int:
    """Return up to which number messages are in the index file; 0 if none is."""
    return max((one.last for one in database._index.file.segments["rooms"]), default=0)


def check(folder: Path) -> None:
    """Raise what SQLite finds wrong with the files of a log that is closed."""
    for name in ("chat.db", NAME):
        if (folder / name).exists():
            with closing(sqlite3.connect(folder / name, isolation_level=None)) as connection:
                assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)], name
                tables = connection.execute("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL%'").fetchall()
                for (table,) in tables:
                    connection.execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    if data:
        for place in range(at % len(data), min(at % len(data) + 40, len(data))):
            data[place] ^= 0xFF
        path.write_bytes(data)


def _run(path: Path, *statements: str) -> None:
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
        for statement in statements:
            connection.execute(statement)


def _drop(path: Path, like: str) -> None:
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE name LIKE ?", (like,)).fetchall():
            connection.execute(f"DROP TABLE {table}")


def _replace_by_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / "something").write_text("x")


# What may happen to an index file, with a number that says where.
DAMAGES: dict[str, Callable[[Path, int], object]] = {
    "flipped": _flip,
    "flipped header": lambda path, at: _flip(path, at % 100),
    "cut off": lambda path, at: (
        path.write_bytes(path.read_bytes()[: at % (path.stat().st_size or 1)]) if path.exists() else None
    ),
    "empty": lambda path, at: path.write_bytes(b""),
    "garbage": lambda path, at: path.write_bytes(b"\xaa" * 50_000),
    "text": lambda path, at: path.write_text("something else"),
    "deleted": lambda path, at: path.unlink(missing_ok=True),
    "a folder": lambda path, at: _replace_by_folder(path),
    "future": lambda path, at: _run(path, "PRAGMA user_version = 99"),
    "foreign": lambda path, at: _run(path, "PRAGMA application_id = 1"),
    "another log's": lambda path, at: _run(path, "UPDATE origin SET log = 'other'"),
    "no rooms": lambda path, at: _drop(path, "rooms_%"),
    "no words": lambda path, at: _drop(path, "words_%_data"),
    "no segments": lambda path, at: _drop(path, "segments"),
    "segments forgotten": lambda path, at: _run(path, "DELETE FROM segments"),
    "segments moved": lambda path, at: _run(path, "UPDATE segments SET last = last + 7"),
    "rooms changed": lambda path, at: _run(path, "UPDATE rooms_1 SET seqs = '[1]'"),
    "structure of words lost": lambda path, at: _run(path, "UPDATE words_2_data SET block = x'00' WHERE id = 10"),
    "words changed": lambda path, at: _run(path, "UPDATE words_2_data SET block = zeroblob(20) WHERE id > 10"),
    "wal garbage": lambda path, at: path.with_name(f"{path.name}-wal").write_bytes(b"\xaa" * 40_000),
}
