"""How long messages are kept, and how much of them."""

import os
import subprocess
import sys
from contextlib import closing
from hashlib import sha512
from pathlib import Path
from sqlite3 import connect
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from configured import configured
from indexes import check
from storage_bench import Bench
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from twisted_chat.core.events import Said
from twisted_chat.core.interfaces import Query
from twisted_chat.storage.sqlite.database import Database
from twisted_chat.storage.sqlite.log import RETENTION_SECONDS
from twisted_chat.storage.sqlite.retention import STEP_SECONDS, Retention, SlowClock

DAY = 86400.0
NOW = 1.8e9


class Times:
    """A time of day that can be set, and one that only goes forward."""

    def __init__(self) -> None:
        self.now, self.clock = NOW, 5.0

    def pass_(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds
        self.clock += seconds


def opened(folder: Path) -> Database:
    """An empty log."""
    database = Database(folder)
    database.claim()
    database.open(1000)
    return database


def kept(database: Database) -> list[int]:
    """The numbers of what is in the log."""
    return [seq for (seq,) in database.query("SELECT seq FROM messages ORDER BY seq")]


def put(database: Database, *times: float) -> None:
    """Keep messages, numbered from 1, said at these times."""
    database.commit([(seq, time, "#a", "said", "Ann", f"word{seq}", None) for seq, time in enumerate(times, 1)], None)


def pruned(database: Database, times: Times, seconds: float) -> list[int]:
    """What is left once all that is too old has been taken out."""
    retention = Retention(database, lambda: times.now, lambda: times.clock, seconds=seconds, size=None)
    while retention.slice(0).more:
        pass
    return kept(database)


def test_the_oldest_go_by_number_whatever_the_clock_said(tmp_path: Path) -> None:
    """A message from 1970 takes none with it that is young; one from the future goes when those after it are old."""
    database = opened(tmp_path)
    put(database, NOW - 9 * DAY, NOW + 9 * DAY, NOW - 8 * DAY, NOW - 1 * DAY, 0.0, NOW - 0.5 * DAY, NOW)
    assert pruned(database, Times(), 2 * DAY) == [4, 5, 6, 7]
    assert database.search(Query(words=("word3",), rooms=("#a",))) == []
    database.close(7)
    check(tmp_path)


def test_a_clock_that_steps_forward_empties_nothing(tmp_path: Path) -> None:
    """A step counts once it has lasted a day; time that really passes counts at once; so does a step back."""
    database, times = opened(tmp_path), Times()
    put(database, *[NOW - hours * 3600.0 for hours in range(20, 0, -1)])
    retention = Retention(database, lambda: times.now, lambda: times.clock, seconds=2 * DAY, size=None)
    assert not retention.slice(0).more
    times.now += 3650 * DAY
    assert not retention.slice(0).more
    times.pass_(STEP_SECONDS - 60)
    assert not retention.slice(0).more
    times.now -= 3650 * DAY
    times.pass_(DAY - 3 * 3600.0)
    retention.slice(0)
    assert kept(database) == [18, 19, 20]  # by what has passed, 45 hours
    times.now += 30 * DAY
    assert not retention.slice(0).more
    times.pass_(STEP_SECONDS)
    assert retention.slice(0).upto == 20
    database.close(20)


def test_a_start_long_after_waits_a_day() -> None:
    """Whether the daemon was off for a year or the clock is wrong can't be told."""
    times = Times()
    clock = SlowClock(lambda: times.now, lambda: times.clock, NOW - 365 * DAY)
    assert clock() == NOW - 365 * DAY
    times.pass_(60)
    assert clock() == NOW - 365 * DAY + 60
    times.pass_(STEP_SECONDS)
    assert clock() == times.now


def test_size_stays_within_its_limit(tmp_path: Path) -> None:
    """However much is said, what is used and the file stay there, and what is kept is the newest, not next to nothing."""
    limit = 2 << 20
    database = opened(tmp_path)
    retention = Retention(database, Clock().seconds, Clock().seconds, seconds=None, size=limit)
    seq, most, fewest = 0, 0, 20_000
    while seq < 20_000:
        rows = [(n, 1.0, "#a", "said", "Ann", f"words {n} and {n * 7919} " * 4, b"%d" % n) for n in range(seq + 1, seq + 201)]
        database.commit(rows, None)
        seq += len(rows)
        retention.slice(len(rows))
        most = max(most, database.used_bytes())
        if seq > 10_000:
            fewest = min(fewest, database.query("SELECT count(*) FROM messages")[0][0])
    assert most < limit * 1.05
    left = kept(database)
    assert left == list(range(left[0], seq + 1))
    assert fewest > 5000
    assert (tmp_path / "chat.db-wal").stat().st_size < 16 << 20
    database.close(seq)
    assert (tmp_path / "chat.db").stat().st_size < limit * 1.2
    check(tmp_path)


def test_what_was_taken_out_is_gone_everywhere(tmp_path: Path) -> None:
    """From history, search, inbox and reading on, from memory as from disk; and numbers and positions go on."""
    times = Times()
    bench = Bench("sqlite", tmp_path)
    retention = Retention(bench.database, lambda: times.now, lambda: times.clock, seconds=DAY, size=None)
    bench.log._retention = retention
    said = [NOW - 3000.0, NOW - 2000.0, NOW - 1000.0, NOW]
    for time in said:
        for room in ("#a", "@ann"):
            bench.log.append(Said(bench.log.number(), time, room, "Ann", "tea"), 3)
    bench.settle()
    bench.reactor.until(lambda: bench.log._later)
    times.pass_(DAY - 1500)
    bench.reactor.advance(RETENTION_SECONDS)
    bench.reactor.until(lambda: bench.log.remembered >= 4)
    for room, numbers in (("#a", [5, 7]), ("@ann", [6, 8])):
        assert [event.seq for event in bench.wait(bench.log.read_before(room, 99, 9))] == numbers
        assert [event.seq for event in bench.wait(bench.log.read_since(room, 0, 9))] == numbers
        assert bench.wait(bench.log.count_after(room, 0, 9)) == 2
        page = bench.wait(bench.log.read_after(room, 1, 9))
        page = page if page.events else bench.wait(bench.log.read_after(room, page.position, 9))
        assert [event.seq for event in page.events] == numbers
    assert [event.seq for event in bench.wait(bench.log.search(Query(words=("tea",), rooms=("#a",))))] == [5, 7]
    assert bench.say("more") == 9
    bench.settle()
    bench.wait(bench.log.close())
    again = Bench("sqlite", tmp_path)
    assert [event.seq for event in again.wait(again.log.read_before("#a", 99, 9))] == [5, 7, 9]
    again.wait(again.log.close())


def test_lengths_and_sizes_on_the_command_line() -> None:
    """As people write them; nothing is a limit that was not meant to be one."""
    config = configured("--keep", "90d", "--keep-size", "1G")
    assert (config.keep, config.keep_size) == (90 * DAY, 1 << 30)
    assert (configured().keep, configured().keep_size) == (None, None)
    for wrong in (["--keep", "90"], ["--keep", "0d"], ["--keep-size", "1"], ["--keep-size", "100K"], ["--keep-size", "big"]):
        with pytest.raises(SystemExit, match=wrong[0]):
            configured(*wrong)


def on_disk(folder: Path) -> int:
    """What all files of the log take."""
    return sum(path.stat().st_size for path in folder.glob("chat*"))


@pytest.mark.parametrize("length", [8, 1000])
def test_pruning_takes_no_room_and_gives_it_back(length: int) -> None:
    """However long the words are: at no time more than the log had, and 64 MiB; in the end no more than it may have."""
    limit, memory = 5 << 20, "/dev/shm" if Path("/dev/shm").is_dir() else None
    with TemporaryDirectory(dir=memory) as name:
        folder = Path(name)
        database = opened(folder)
        seq = 0
        while on_disk(folder) < 24 << 20:
            said = []
            for _ in range(100_000 // length // 10):
                seq += 1
                words = (sha512(b"%d %d" % (seq, word)).hexdigest() * 8 for word in range(4))
                text = " ".join(word[:length] for word in words)
                said.append((seq, 1.0, "#a", "said", "Ann", text, b"%d" % seq))
            database.commit(said, None)
        database.search(Query(words=("none",), rooms=("#a",)))
        begin = most = on_disk(folder)
        retention = Retention(database, Clock().seconds, Clock().seconds, seconds=None, size=limit)
        slices = 0
        while retention.slice(0).more:
            slices += 1
            most = max(most, on_disk(folder))
        assert slices > 20
        assert most <= begin + (8 << 20)
        assert on_disk(folder) <= limit
        assert len(kept(database)) > 100
        assert retention.slice(0).upto == 0
        database.close(seq)
        assert on_disk(folder) <= limit
        check(folder)


def test_what_has_become_too_old_gives_its_room_back(tmp_path: Path) -> None:
    """Without a limit of size, too, once it is much."""
    database, times = opened(tmp_path), Times()
    said = [(seq, NOW, "#a", "said", "Ann", f"word{seq} " * 60, None) for seq in range(1, 30_001)]
    database.commit(said, None)
    times.pass_(DAY)
    database.commit([(30_001, times.now, "#a", "said", "Ann", "young", None)], None)
    retention = Retention(database, lambda: times.now, lambda: times.clock, seconds=DAY / 2, size=None)
    begin = on_disk(tmp_path)
    while retention.slice(1000).more:
        pass
    assert kept(database) == [30_001]
    database.close(30_001)
    assert on_disk(tmp_path) < begin / 3


def test_a_file_that_cannot_shrink_is_used_again_and_that_is_said_once(tmp_path: Path) -> None:
    """As one that another program made: what is used of it counts, with its size in the daemon's log."""
    database = opened(tmp_path)
    put(database, *[NOW] * 30_000)
    database.close(30_000)
    with closing(connect(tmp_path / "chat.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA auto_vacuum = NONE")
        connection.execute("VACUUM")
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(events.append)
    try:
        database = opened(tmp_path)
        retention = Retention(database, Clock().seconds, Clock().seconds, seconds=None, size=1 << 20)
        begin = (tmp_path / "chat.db").stat().st_size
        for _ in range(2):
            while retention.slice(0).more:
                pass
    finally:
        globalLogPublisher.removeObserver(events.append)
    told = [event["size"] for event in events if event["log_format"].startswith("[KEEP]")]
    assert told == [f"{begin / 1e6:.0f} MB"]
    assert len(kept(database)) > 1000
    assert (tmp_path / "chat.db").stat().st_size == begin
    database.close(30_000)


@pytest.mark.parametrize("module", [None, "pysqlite3"])
def test_thousands_of_slices(module: str | None) -> None:
    """3,000, with searches, deletions and restarts between them; SQLite finds nothing wrong, whichever it is."""
    if module is not None:
        pytest.importorskip(module)
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        program = Path(__file__).parents[1] / "support/long_retention.py"
        paths = f"{program.parent.parent}:{program.parent}"
        command = [sys.executable, str(program), folder, "3000", *([module] if module else [])]
        done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "3000 slices" in done.stdout
