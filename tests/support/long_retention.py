"""Thousands of slices of retention over a log that is written, searched and restarted meanwhile; checked after each phase.

Run as a program, with a folder, a number of slices, and the name of a module to take for Python's sqlite3, if any: the oldest
SQLite that we meet comes with Python, the newest with a package.
"""

import importlib
import sys
from pathlib import Path

MIB = 1 << 20
PHASES = 6


def run(folder: Path, slices: int) -> str:
    """Do so. Raises AssertionError, or what SQLite finds wrong."""
    import sqlite3

    from indexes import check, complete
    from twisted.internet.task import Clock

    from twisted_chat.core.interfaces import Query
    from twisted_chat.storage.sqlite.database import Database
    from twisted_chat.storage.sqlite.retention import SLICE, Retention

    seq = texts = done = 0
    for phase in range(PHASES):
        database = Database(folder)
        database.claim()
        database.open(10_000)
        limit = (2, 3, 2, 6, 2, 4)[phase] * MIB
        retention = Retention(database, Clock().seconds, Clock().seconds, seconds=None, size=limit)
        complete(database)
        until = slices * (phase + 1) // PHASES
        while done < until:
            rows = []
            for _ in range(SLICE):
                seq += 1
                texts += 1
                words = f"tea {texts} " + " ".join(f"{texts * n * 7919 % 100_003:x}" for n in range(1, 8))
                rows.append((seq, 1.0, f"#{texts % 40}", "said", "Ann", words, b"%d" % seq if texts % 5 == 0 else None))
            database.commit(rows, None)
            if retention.slice(0).upto:
                done += 1
            if texts % (50 * SLICE) == 0:
                (found,) = database.search(Query(words=(str(texts),), rooms=(f"#{texts % 40}",), limit=1))
                assert found[0] == seq
                database.erase(seq - 1, [f"#{(texts - 1) % 40}"], "(deleted)")
        while retention.slice(0).more:
            pass
        complete(database)
        while retention.slice(0).more:
            pass
        for room in range(0, 40, 7):
            there = [
                number for (number,) in database.query("SELECT seq FROM messages WHERE room = ? ORDER BY seq", (f"#{room}",))
            ]
            assert [row[0] for row in database.read(f"#{room}", 0, 2**50, 10**6, False)] == there
            assert there
        on_disk = sum(path.stat().st_size for path in folder.iterdir() if path.name.startswith("chat"))
        assert on_disk <= limit, f"{on_disk} bytes on disk, at most {limit} were to be"
        database.close(seq)
        check(folder)
    return f"SQLite {sqlite3.sqlite_version}: {done} slices, {texts} messages"


if __name__ == "__main__":
    if len(sys.argv) > 3:
        module = importlib.import_module(sys.argv[3])
        sys.modules["sqlite3"] = module
        sys.modules["sqlite3.dbapi2"] = importlib.import_module(f"{sys.argv[3]}.dbapi2")
    print(run(Path(sys.argv[1]), int(sys.argv[2])))
