"""Every message log does the same, whatever it keeps things in; and what a disk, a crash and damage may do to one."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from twisted_chat.core.batch import Batch, Fate
from twisted_chat.core.errors import NotKept
from twisted_chat.core.events import Emoted, Joined, KeptEvent, Said
from twisted_chat.storage.batching import BatchingLog
from twisted_chat.storage.database import VERSION, Database, StateError
from twisted_chat.storage.memory import MemoryLog
from twisted_chat.storage.sqlite import PROBE_SECONDS, SqliteLog
from wires import ThreadClock

SIZES = {"tail_bytes": 1024 * 1024, "batch_bytes": 64 * 1024}


@dataclass
class Witness:
    """A reader that notes what it is told."""

    told: list[tuple[str, Any]] = field(default_factory=list)

    def deliver(self, batches: Sequence[Batch]) -> None:
        self.told.append(("shown", [event.seq for batch in batches for event in batch.events]))

    def kept(self, batches: Sequence[Batch], duplicates: dict[int, int]) -> None:
        self.told.append(("kept", numbers(batches)))
        if duplicates:
            self.told.append(("duplicates", duplicates))

    def not_kept(self, batches: Sequence[Batch]) -> None:
        self.told.append(("not kept", numbers(batches)))

    def history_stopped(self, why: str) -> None:
        self.told.append(("stopped", why))

    def history_back(self) -> None:
        self.told.append(("back", None))

    def about(self, *kinds: str) -> list[Any]:
        """What it was told of these kinds."""
        return [what for kind, what in self.told if kind in kinds]


def numbers(batches: Sequence[Batch]) -> list[int]:
    return [event.seq for batch in batches for event in batch.events if isinstance(event, KeptEvent)]


class Bench:
    """A log, its clock and its witness."""

    def __init__(self, make: Callable[..., BatchingLog], clock: Clock, **sizes: int) -> None:
        self.clock = clock
        self.log = make(clock, **SIZES | sizes)
        self.witness = Witness()
        self.log.attach(self.witness)

    def add(self, text: str = "x", room: str = "#a", key: bytes | None = None, kind: type[KeptEvent] = Said) -> int:
        """Append a message; its number."""
        seq = self.log.number()
        self.log.append(kind(seq, 1.5, room, "Al", text, 1), len(text), key)
        return seq

    def join(self, room: str = "#a") -> int:
        """Append an event that is not kept; its number."""
        seq = self.log.number()
        self.log.append(Joined(seq, 1.5, room, "Al", 1, 1))
        return seq

    def pump(self) -> None:
        """Wait for the disk."""
        if isinstance(self.clock, ThreadClock) and isinstance(self.log, SqliteLog):
            self.clock.pump(self.log)

    def turn(self) -> None:
        """Let everything settle."""
        for _ in range(4):
            self.clock.advance(0)
            self.pump()

    def wait(self, coroutine: Any) -> Any:
        """What a coroutine returns or raises."""
        results: list[Any] = []
        failures: list[Any] = []
        Deferred.fromCoroutine(coroutine).addCallbacks(results.append, failures.append)
        for _ in range(5):
            if not results and not failures:
                self.pump()
        if failures:
            failures[0].raiseException()
        return results[0]

    def page(self, room: str, after: int, limit: int = 100) -> tuple[list[int], int]:
        """Numbers and position of one page."""
        page = self.wait(self.log.read_after(room, after, limit))
        return [event.seq for event in page.events], page.position

    def before(self, room: str, before: int, limit: int = 100) -> list[int]:
        """Numbers of the messages before."""
        return [event.seq for event in self.wait(self.log.read_before(room, before, limit))]

    def close(self) -> None:
        """Close it in good order."""
        closing: Any = self.log.close()
        failures: list[Any] = []
        done: list[Any] = []
        Deferred.fromCoroutine(closing).addCallbacks(done.append, failures.append)
        while not done and not failures and isinstance(self.clock, ThreadClock):
            self.clock._calls.get(timeout=20)()
        assert done and not failures


def on_disk(folder: Path, clock: ThreadClock, *, waiting_bytes: int = 1 << 20, block: int = 1000, **sizes: int) -> SqliteLog:
    database = Database(folder)
    database.claim()
    return SqliteLog(database, clock, waiting_bytes=waiting_bytes, number_block=block, **sizes)


def crash(bench: Bench) -> None:
    """The process ends at once: the kernel lets go of its lock and its files."""
    assert isinstance(bench.log, SqliteLog)
    bench.pump()
    bench.log._thread.stop()
    connection = bench.log._database._connection
    assert connection is not None
    connection.close()
    bench.log._database.release()


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes a bench with either log."""
    benches: list[Bench] = []

    def bench(**sizes: int) -> Bench:
        if request.param == "memory":
            made = Bench(lambda clock, **all: MemoryLog(lambda call: clock.callLater(0, call), **all), Clock(), **sizes)
        else:
            made = Bench(lambda clock, **all: on_disk(tmp_path, clock, **all), ThreadClock(), **sizes)
        benches.append(made)
        return made

    yield bench
    for made in benches:
        made.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Makes a bench with a log in tmp_path."""
    benches: list[Bench] = []

    def bench(**sizes: int) -> Bench:
        made = Bench(lambda clock, **all: on_disk(tmp_path, clock, **all), ThreadClock(), **sizes)
        benches.append(made)
        return made

    yield bench
    for made in benches:
        if isinstance(made.log, SqliteLog) and made.log._database._lock is not None:
            made.close()


def test_numbers_follow_at_once(make: Callable[..., Bench]) -> None:
    """An event has its place as soon as it is appended, before anybody is shown it."""
    bench = make()
    assert bench.log.newest == 0
    assert [bench.add(), bench.join("#b"), bench.add(room="#b")] == [1, 2, 3]
    assert bench.log.newest == 3
    assert bench.witness.told == []


def test_wrong_number_is_refused(make: Callable[..., Bench]) -> None:
    """Only the next number may be appended."""
    bench = make()
    with pytest.raises(ValueError, match="does not follow"):
        bench.log.append(Said(7, 0, "#a", "Al", "x"))


def test_a_turn_is_one_delivery(make: Callable[..., Bench]) -> None:
    """What was added in a turn is shown once at its end, then kept, in the order of the numbers."""
    bench = make()
    bench.add(), bench.add(room="#b"), bench.join(), bench.add()
    bench.turn()
    bench.add()
    bench.turn()
    assert bench.witness.about("shown") == [[1, 3, 4, 2], [5]]
    assert sorted(bench.witness.about("kept")[0]) == [1, 2, 4]
    assert bench.witness.about("kept")[1] == [5]
    assert bench.witness.told[0][0] == "shown"


def test_nothing_is_kept_of_comings_and_goings(make: Callable[..., Bench]) -> None:
    """Batches without a message are shown and not reported as kept."""
    bench = make()
    bench.join()
    bench.turn()
    assert bench.witness.told == [("shown", [1])]


def test_large_batches_are_cut(make: Callable[..., Bench]) -> None:
    """No batch grows far beyond its limit."""
    bench = make(batch_bytes=2000)
    for _ in range(20):
        bench.add("y" * 500)
    bench.turn()
    batches = bench.log.tail("#a", 0)
    assert len(batches) > 4
    assert max(batch.size for batch in batches) < 3000
    assert [event.seq for batch in batches for event in batch.events] == list(range(1, 21))


def test_reading_by_room_in_both_directions(make: Callable[..., Bench]) -> None:
    """Reads bring one room's messages, oldest first, bounded by number and count, and only messages."""
    bench = make()
    for index in range(10):
        bench.add(room="#ab"[:2] if index % 2 else "#b")
    bench.join()
    bench.turn()
    assert bench.page("#a", 0) == ([2, 4, 6, 8, 10], 11)
    assert bench.page("#a", 4) == ([6, 8, 10], 11)
    assert bench.page("#a", 0, 2) == ([2, 4], 4)
    assert bench.page("#none", 3) == ([], 11)
    assert bench.before("#a", 100, 2) == [8, 10]
    assert bench.before("#a", 8, 2) == [4, 6]
    assert bench.before("#b", 2) == [1]
    assert bench.before("#b", 1) == []


@pytest.mark.parametrize("tail_bytes", [0, 3000, 1 << 20])
def test_tail_and_disk_are_one(disk: Callable[..., Bench], tail_bytes: int) -> None:
    """However little memory holds, reads bring everything once, in order."""
    bench = disk(tail_bytes=tail_bytes)
    for index in range(60):
        if index % 7 == 3:
            bench.join("#a")
        bench.add(room="#a" if index % 3 else "#b")
        if index % 4 == 0:
            bench.turn()
    bench.turn()
    texts = {room: bench.before(room, 10_000, 1000) for room in ("#a", "#b")}
    assert sum(map(len, texts.values())) == 60
    for room, expected in texts.items():
        assert expected == sorted(set(expected))
        found, position = [], 0
        while position < bench.log.newest:
            more, further = bench.page(room, position, 3)
            assert further > position
            found += more
            position = further
        assert found == expected
        for middle in expected:
            assert bench.before(room, middle, 5) == [seq for seq in expected if seq < middle][-5:]


def test_interleaved_rooms_at_the_edge_of_the_tail(disk: Callable[..., Bench]) -> None:
    """Where the tail ends within a turn, the other rooms' messages of that turn are neither missed nor doubled."""
    bench = disk(tail_bytes=900)
    bench.join("#a"), bench.add(room="#b"), bench.add(room="#b"), bench.join("#a")
    bench.log.flush()
    assert bench.log.remembered == 0
    bench.turn()
    assert bench.before("#b", 100) == [2, 3]
    assert bench.page("#b", 0)[0] == [2, 3]


def test_what_is_read_is_what_was_said(disk: Callable[..., Bench]) -> None:
    """Kind, time, author and text come back from disk as they were."""
    bench = disk(tail_bytes=0)
    bench.add("grüße 🎉"), bench.add("waves", kind=Emoted)
    bench.turn()
    bench.add()
    bench.turn()
    first, second, _ = bench.wait(bench.log.read_before("#a", 100, 10))
    assert (first, second) == (Said(1, 1.5, "#a", "Al", "grüße 🎉"), Emoted(2, 1.5, "#a", "Al", "waves"))


def test_memory_is_bounded(make: Callable[..., Bench]) -> None:
    """The tail forgets the oldest, rooms and keys included, and says up to where."""
    bench = make(tail_bytes=5000)
    for index in range(50):
        bench.add(room=f"#{index}", key=b"%d" % index)
        bench.turn()
    assert bench.log.remembered >= 35
    assert bench.log._tail._size <= 5000
    assert len(bench.log._tail._rooms) == len(bench.log._tail._sent) == len(bench.log._tail._batches) <= 15


def test_message_keys(make: Callable[..., Bench]) -> None:
    """A message is known by its key at once, and its fate with it."""
    bench = make()
    seq = bench.add(key=b"k")
    sent = bench.log.sent(b"k")
    assert sent is not None and sent.seq == seq and sent.batch is not None and sent.batch.fate is Fate.PENDING
    bench.turn()
    assert sent.batch.fate is Fate.KEPT
    assert bench.wait(bench.log.find(b"k")) == sent
    assert bench.log.sent(b"other") is None
    assert bench.wait(bench.log.find(b"other")) is None


def test_the_disk_keeps_one_message_a_key(disk: Callable[..., Bench], tmp_path: Path) -> None:
    """A key the disk has is found, and reported as a duplicate when it is appended again."""
    bench = disk()
    bench.add("once", key=b"k")
    bench.turn()
    bench.close()
    bench = disk()
    assert bench.log.sent(b"k") is None
    found = bench.wait(bench.log.find(b"k"))
    assert (found.seq, found.batch) == (1, None)
    second, third = bench.add("once", key=b"k"), bench.add("new", key=b"n")
    bench.turn()
    assert bench.witness.told[1:] == [("kept", [second, third]), ("duplicates", {second: 1})]
    bench.close()
    bench = disk()
    assert bench.before("#a", 100) == [1, third]


def test_numbers_are_not_reused_after_a_crash(disk: Callable[..., Bench]) -> None:
    """Whatever was numbered before a crash, kept or not, has its number for itself."""
    bench = disk()
    bench.add()
    bench.turn()
    lost = bench.add()
    crash(bench)
    bench = disk()
    assert bench.log.newest >= lost
    assert bench.add() > lost


def test_numbers_are_given_back(disk: Callable[..., Bench]) -> None:
    """After a good end the next number follows the last; the log is the same log."""
    bench = disk()
    log_id = bench.log.id
    bench.add(), bench.join()
    bench.turn()
    bench.close()
    bench = disk()
    assert (bench.log.newest, bench.log.id) == (2, log_id)
    assert bench.before("#a", 100) == [1]


def test_close_keeps_what_waits(disk: Callable[..., Bench]) -> None:
    """What was said in the last turn is kept and reported before the log closes."""
    bench = disk()
    bench.add()
    bench.close()
    assert bench.witness.told == [("shown", [1]), ("kept", [1])]


def test_numbers_are_reserved_ahead(disk: Callable[..., Bench]) -> None:
    """Half a block before the end the next is reserved, so that a crash finds none it does not know of."""
    bench = disk(block=10)
    for _ in range(57):
        bench.add()
        bench.turn()
    crash(bench)
    bench = disk(block=10)
    assert 57 <= bench.log.newest <= 77


def full(*_: object) -> dict[int, int]:
    raise sqlite3.OperationalError("database or disk is full")


def test_failing_disk(disk: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fails: messages are shown and reported as not kept, the stop is said once, and so is the recovery."""
    bench = disk()
    bench.add()
    bench.turn()
    monkeypatch.setattr(Database, "commit", full)
    lost = [bench.add(), bench.add()]
    bench.turn()
    lost.append(bench.add())
    bench.turn()
    assert bench.witness.about("shown") == [[1], [2, 3], [4]]
    assert bench.witness.about("not kept") == [[2, 3], [4]]
    assert bench.witness.about("stopped") == ["database or disk is full"]
    bench.clock.advance(PROBE_SECONDS)
    bench.turn()
    monkeypatch.undo()
    assert bench.witness.about("back") == []
    bench.clock.advance(PROBE_SECONDS)
    bench.turn()
    assert bench.witness.about("back") == [None]
    bench.add()
    bench.turn()
    assert bench.witness.about("kept") == [[1], [5]]
    assert len(bench.witness.about("stopped", "back")) == 2
    assert bench.before("#a", 100) == [1, 5]


def test_a_message_brings_history_back(disk: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """While history has stopped each message is tried: the first that can be kept is kept."""
    bench = disk()
    monkeypatch.setattr(Database, "commit", full)
    bench.add()
    bench.turn()
    monkeypatch.undo()
    bench.add()
    bench.turn()
    assert bench.witness.about("kept") == [[2]]
    assert bench.witness.about("back") == [None]


def test_numbers_run_out(disk: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails for very long ends the numbers: saying is refused, until it recovers."""
    bench = disk(block=4)
    monkeypatch.setattr(Database, "commit", full)
    for _ in range(4):
        bench.add()
        bench.turn()
    with pytest.raises(NotKept):
        bench.log.number()
    monkeypatch.undo()
    bench.clock.advance(PROBE_SECONDS)
    bench.turn()
    assert bench.add() == 5


def test_a_close_with_a_failing_disk(disk: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """A log whose disk fails closes all the same, and tries nothing afterwards."""
    bench = disk()
    monkeypatch.setattr(Database, "commit", full)
    bench.add()
    bench.close()
    assert bench.witness.about("not kept") == [[1]]
    bench.clock.advance(0)  # the notice that history has stopped
    assert bench.clock.getDelayedCalls() == []


def test_what_waits_is_bounded(disk: Callable[..., Bench]) -> None:
    """What does not fit into the queue for the disk is shown and reported as not kept."""
    bench = disk(waiting_bytes=3000)
    bench.add("y" * 1000)
    bench.clock.advance(0)
    for _ in range(4):
        bench.add("y" * 1000)
        bench.clock.advance(0)
    bench.turn()
    assert bench.witness.about("shown") == [[1], [2], [3], [4], [5]]
    assert sorted(bench.witness.about("kept", "not kept")) == [[1], [2], [3], [4], [5]]
    assert bench.witness.about("not kept") == [[3], [4], [5]]
    assert bench.before("#a", 100) == [1, 2]
    bench.add()
    bench.turn()
    assert bench.witness.about("kept")[-1] == [6]


def test_unreadable_history(disk: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that fails raises `NotKept`."""
    bench = disk(tail_bytes=0)
    bench.add()
    bench.turn()
    monkeypatch.setattr(Database, "read", full)
    with pytest.raises(NotKept):
        bench.before("#a", 100)


def test_flushed_at_each_commit(disk: Callable[..., Bench]) -> None:
    """WAL with synchronous=FULL, which is what a receipt rests on."""
    bench = disk()
    connection = bench.log._database._connection  # type: ignore[attr-defined]
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


# Folders that can't be used


def sound(folder: Path, messages: int = 300) -> Path:
    """A good log in a folder; its file."""
    bench = Bench(lambda clock, **all: on_disk(folder, clock, **all), ThreadClock())
    for _ in range(messages):
        bench.add("some words " * 10)
    bench.close()
    return folder / "chat.db"


def zero_header(data: bytes) -> bytes:
    return bytes(100) + data[100:]


def truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    """Overwrites a page in the middle."""
    middle = len(data) // 2 // 4096 * 4096
    return data[:middle] + bytes(byte ^ 0xFF for byte in data[middle : middle + 4096]) + data[middle + 4096 :]


def empty(_: bytes) -> bytes:
    return b""


def foreign(_: bytes) -> bytes:
    return b"Dear diary,\n" * 1000


@pytest.mark.parametrize("harm", [zero_header, truncate, flip, empty, foreign])
def test_damaged_file(tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    """A damaged file is refused in one sentence, left as it is, and the folder let go."""
    path = sound(tmp_path)
    path.write_bytes(damaged := harm(path.read_bytes()))
    for _ in range(2):
        with pytest.raises(StateError) as refusal:
            Database(tmp_path).claim()
        assert "\n" not in str(refusal.value)
        assert str(path) in str(refusal.value)
    assert path.read_bytes() == damaged
    assert sorted(file.name for file in tmp_path.iterdir()) == ["chat.db", "chat.lock"]


def test_newer_schema(tmp_path: Path) -> None:
    """A file from a later version is refused, and left as it is."""
    path = sound(tmp_path, 3)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StateError, match="newer"):
        Database(tmp_path).claim()
    assert path.read_bytes() == before


def test_second_claim(tmp_path: Path) -> None:
    """A folder belongs to one at a time."""
    first = Database(tmp_path)
    first.claim()
    with pytest.raises(StateError, match="Another daemon"):
        Database(tmp_path).claim()
    first.release()
    second = Database(tmp_path)
    second.claim()
    second.release()


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    """A state folder that can't be a folder is refused."""
    (tmp_path / "state").write_text("mine")
    for folder in (tmp_path / "state", tmp_path / "state" / "deeper"):
        with pytest.raises(StateError, match="can't be used"):
            Database(folder).claim()
    assert (tmp_path / "state").read_text() == "mine"


def test_log_that_is_a_folder(tmp_path: Path) -> None:
    """So is a chat.db that is no file."""
    (tmp_path / "chat.db").mkdir()
    with pytest.raises(StateError, match="not a file"):
        Database(tmp_path).claim()


def test_half_made_file_is_no_log(tmp_path: Path) -> None:
    """A crash while the file is made leaves nothing that is taken for a log."""
    (tmp_path / "chat.new").write_bytes(b"half")
    path = sound(tmp_path, 1)
    assert path.exists() and not (tmp_path / "chat.new").exists()
