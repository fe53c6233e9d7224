"""The index is derived: whatever happens to it, messages are persisted and read, and the log says so once.

The state machine does what people, retention, the kernel and a bad disk do, in any order, and compares each answer with that of
a plain list.
"""

import re
import shutil
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from indexes import DAMAGES, NAME, check, complete
from twisted.logger import LogLevel, globalLogPublisher

from twisted_chat.core.interfaces import Query
from twisted_chat.storage.index import index, index_file, search
from twisted_chat.storage.index.room_index import Row
from twisted_chat.storage.sqlite.database import Database

ROOMS = ("#a", "#b", "#rare", "@ann")
WORDS = ("tea", "milk", "Über", "x" * 300)
# A folder in memory, where there is one: each step is flushed, and a busy disk takes long for that.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
DELETED = "(deleted)"


def words_in(text: str) -> set[str]:
    """The words of a text as a search has them: letters without case and without accents."""
    return {word.replace("ü", "u") for word in re.findall(r"\w+", text.casefold())}


class Model:
    """What the log should have."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def read(self, room: str, after: int, before: int, limit: int, newest_first: bool) -> list[int]:
        """Numbers of a room."""
        found = [row[0] for row in self.rows if row[2] == room and after < row[0] < before]
        return (found[::-1] if newest_first else found)[:limit]

    def search(self, word: str, rooms: tuple[str, ...], limit: int) -> list[tuple[int, str]]:
        """Numbers and texts of the newest with a word."""
        fitting = [row for row in self.rows if row[2] in rooms and row[2][0] == "#" and words_in(word) <= words_in(row[5])]
        return [(row[0], row[5]) for row in fitting[::-1][:limit]]


class AnyOrder(RuleBasedStateMachine):
    """A log, and all that can happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="index-", dir=MEMORY))
        self.changed: dict[tuple[Any, str], Any] = {
            (index_file, "RETRY_SECONDS"): 0.0,
            (index, "MEND_MESSAGES"): {"rooms": 7, "words": 5},
        }
        self.changed[(search, "SEARCH_SECONDS")] = 600.0
        self.before = {key: getattr(*key) for key in self.changed}
        for (module, name), value in self.changed.items():
            setattr(module, name, value)
        self.model = Model()
        self.seq = 0
        self.database: Database | None = None
        self.problems: list[str] = []
        globalLogPublisher.addObserver(self._observe)

    def _observe(self, event: dict[str, Any]) -> None:
        if event["log_level"] >= LogLevel.error:
            self.problems.append(str(event))

    @initialize(at=st.sampled_from([1, 300, 5000]))
    def begin(self, at: int) -> None:
        """The first start, with segments of some size."""
        self.at = at
        self._open()

    def _open(self) -> Database:
        if self.database is None:
            self.database = Database(self.folder)
            self.database._index.at = self.at
            self.database.claim()
            _, used = self.database.open(1000)
            assert used >= self.seq, "a number could be used twice"
            self.seq = used
        return self.database

    @rule(
        many=st.sampled_from([1, 3, 40, 300]), room=st.sampled_from(ROOMS), word=st.sampled_from(WORDS), skip=st.integers(0, 3)
    )
    def append(self, many: int, room: str, word: str, skip: int) -> None:
        """Messages are said, some with keys; other events take numbers."""
        self.seq += skip
        rows: list[Row] = []
        for n in range(many):
            self.seq += 1
            key = b"%d" % self.seq if n % 2 else None
            rows.append((self.seq, float(self.seq), room if n % 3 else "#a", "said", "Ann", f"{word} {self.seq}", key))
        assert self._open().commit(rows, self.seq + 1000) == {}
        self.model.rows += rows

    @rule(again=st.integers(0, 1000))
    def say_again(self, again: int) -> None:
        """A message comes a second time, under its key."""
        keyed = [row for row in self.model.rows if row[6]]
        if keyed:
            row = keyed[again % len(keyed)]
            self.seq += 1
            assert self._open().commit([(self.seq, *row[1:])], None) == {self.seq: row[0]}

    @rule(share=st.floats(0, 1))
    def prune(self, share: float) -> None:
        """The oldest go."""
        if self.model.rows:
            upto = self.model.rows[int(share * (len(self.model.rows) - 1))][0]
            self._open().prune(upto)
            self.model.rows = [row for row in self.model.rows if row[0] > upto]

    @rule(which=st.integers(0, 10_000), killed=st.booleans())
    def delete(self, which: int, killed: bool) -> None:
        """An operator deletes a message; the daemon may be killed before the index knows."""
        if self.model.rows:
            at = which % len(self.model.rows)
            row = self.model.rows[at]
            database = self._open()
            if killed:
                database._index.replace = lambda seq, old, new: None  # type: ignore[method-assign]
            found = database.erase(row[0], ROOMS, DELETED)
            assert found is not None
            assert found[5] == row[5]
            self.model.rows[at] = (*row[:5], DELETED, row[6])
            if killed:
                self._kill()
                self._open()

    @rule(word=st.sampled_from([*WORDS, "deleted", "none", "7"]), rooms=st.sets(st.sampled_from(ROOMS), min_size=1))
    def search(self, word: str, rooms: set[str]) -> None:
        """A word is searched for."""
        given = tuple(sorted(rooms))
        found = self._open().search(Query(words=(word,), rooms=given, limit=20))
        assert [(row[0], row[5]) for row in found] == self.model.search(word, given, 20)

    @rule(
        room=st.sampled_from(ROOMS),
        low=st.floats(0, 1),
        high=st.floats(0, 1),
        limit=st.sampled_from([1, 10, 300]),
        last=st.booleans(),
    )
    def read(self, room: str, low: float, high: float, limit: int, last: bool) -> None:
        """A page of a room is read, counted and looked for by time."""
        database = self._open()
        after, before = int(low * self.seq), int(high * self.seq) + 1
        expected = self.model.read(room, after, before, limit, last)
        assert [row[0] for row in database.read(room, after, before, limit, last)] == expected
        assert database.count(room, after, before - 1, limit) == len(self.model.read(room, after, before, limit, False))
        earlier = self.model.read(room, 0, before, 10**9, True)
        assert database.last_before(room, float(before)) == (earlier[0] if earlier else 0)

    @rule(times=st.integers(1, 5))
    def mend(self, times: int) -> None:
        """What the index lacks is added."""
        for _ in range(times):
            self._open().mend()

    @rule()
    def give_back(self) -> None:
        """Free space is given back."""
        self._open().give_back()

    @rule()
    def restart(self) -> None:
        """The daemon ends in good order, and all files are sound."""
        if not (self.folder / NAME).is_dir():
            complete(self._open())
        self._open().close(self.seq)
        self.database = None
        if not (self.folder / NAME).is_dir():
            check(self.folder)
        self._open()

    @rule(damage=st.sampled_from(sorted(DAMAGES)), at=st.integers(0, 10**7))
    def damaged_while_down(self, damage: str, at: int) -> None:
        """The daemon ends; something happens to the index; it starts."""
        self._open().close(self.seq)
        self.database = None
        self._damage(damage, at)
        self._open()

    @rule(damage=st.sampled_from(sorted(DAMAGES)), at=st.integers(0, 10**7))
    def damaged_while_killed(self, damage: str, at: int) -> None:
        """So, after it was killed."""
        self._kill()
        self._damage(damage, at)
        self._open()

    @rule()
    def kill(self) -> None:
        """It goes without a word."""
        self._kill()
        self._open()

    @rule(damage=st.sampled_from(["deleted", "a folder", "no rooms", "no words", "no segments", "structure of words lost"]))
    def damaged_while_in_use(self, damage: str) -> None:
        """It happens in the middle."""
        self._open()
        self._damage(damage, 0)

    def _damage(self, damage: str, at: int) -> None:
        path = self.folder / NAME
        if path.is_dir():
            shutil.rmtree(path)
        if path.exists() or damage in ("a folder", "garbage", "text"):
            DAMAGES[damage](path, at)

    def _kill(self) -> None:
        database = self._open()
        copy = self.folder.with_name(self.folder.name + "-killed")
        shutil.copytree(self.folder, copy)  # before its connections end, which closes the files in good order
        for connection in (database._connection, database._index.file._connection):
            if connection is not None:
                connection.close()
        database.release()
        self.database = None
        shutil.rmtree(self.folder)
        copy.rename(self.folder)

    @invariant()
    def nothing_is_an_error(self) -> None:
        """What is wrong with the index is a warning."""
        assert not self.problems

    def teardown(self) -> None:
        """In the end all is there, the index is complete, and sound."""
        globalLogPublisher.removeObserver(self._observe)
        try:
            if hasattr(self, "at"):
                self._damage("deleted", 0) if (self.folder / NAME).is_dir() else None
                database = self._open()
                complete(database)
                for room in ROOMS:
                    self.read(room, 0.0, 1.0, 10**6, False)
                for word in WORDS:
                    self.search(word, set(ROOMS))
                database.close(self.seq)
                check(self.folder)
        finally:
            for key, value in self.before.items():
                setattr(*key, value)
            with suppress(OSError):
                shutil.rmtree(self.folder)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search takes as long as a busy machine needs."""
    monkeypatch.setattr(search, "SEARCH_SECONDS", 600.0)


def filled(folder: Path) -> Database:
    """A log with an index of several segments, some of them sealed."""
    database = Database(folder)
    database._index.at = 2000
    database.claim()
    database.open(1000)
    for first in range(1, 400, 40):
        said = [(n, float(n), ROOMS[n % 3], "said", "Ann", f"tea {n} {n * 7919}", None) for n in range(first, first + 40)]
        database.commit(said, None)
    complete(database)
    return database


def answers(database: Database) -> list[Any]:
    """What people would see."""
    found: list[Any] = [database.read(room, 0, 10**6, 1000, False) for room in ROOMS]
    found += [database.search(Query(words=(word,), rooms=ROOMS, limit=1000)) for word in ("tea", "17", "1005713")]
    return found


def test_no_flipped_byte_changes_an_answer(tmp_path: Path) -> None:
    """Wherever in the file it is: what is not noticed when the file is opened is nothing that is looked at."""
    database = filled(tmp_path)
    expected = answers(database)
    database.close(400)
    good = (tmp_path / NAME).read_bytes()
    damaged = 0
    for at in range(0, len(good), 1031):
        data = bytearray(good)
        data[at : at + 20] = bytes(byte ^ 0x5A for byte in data[at : at + 20])
        (tmp_path / NAME).write_bytes(data)
        database = Database(tmp_path)
        database.claim()
        database.open(0)
        assert answers(database) == expected, f"byte {at}"
        damaged += database.index_incomplete
        database.close(400)
    assert damaged > 5
    assert len(expected[-1]) == 1


@pytest.mark.parametrize("damage", sorted(DAMAGES))
@pytest.mark.parametrize("when", ["down", "in use"])
def test_a_damaged_index_is_made_anew(tmp_path: Path, damage: str, when: str) -> None:
    """The daemon starts, persists, and answers; its log says so at the beginning and at the end; then all is sound."""
    events: list[dict[str, Any]] = []
    database = filled(tmp_path)
    expected = answers(database)
    globalLogPublisher.addObserver(events.append)
    try:
        if when == "down":
            database.close(400)
            DAMAGES[damage](tmp_path / NAME, 9000)
            database = Database(tmp_path)
            database.claim()
            database.open(0)
        else:
            database._index.file._connection.execute("PRAGMA cache_size = 0")  # type: ignore[union-attr]
            DAMAGES[damage](tmp_path / NAME, 9000)
        assert answers(database) == expected
        database._index.at = 1
        seq = 100_000
        for _ in range(3):
            seq += 1
            assert database.commit([(seq, 1.0, "#a", "said", "Ann", f"more {seq}", None)], None) == {}
        assert database.erase(2, ROOMS, DELETED) is not None
        database.prune(1)
        assert len(database.search(Query(words=("more",), rooms=ROOMS))) == 3
        if (tmp_path / NAME).is_dir():
            assert database.mend() is not None  # it waits until somebody has removed that
            shutil.rmtree(tmp_path / NAME)
            database._index.file._retry_at = 0.0
        database._index.file._retry_at = 0.0
        complete(database)
        assert [row[0] for row in database.read("#rare", 0, 10, 9, False)] == [2, 5, 8]
        assert database.search(Query(words=("7919",), rooms=ROOMS)) == []
        database.close(seq)
    finally:
        globalLogPublisher.removeObserver(events.append)
    check(tmp_path)
    told = [event["log_format"] for event in events if event["log_format"].startswith("[INDEX]")]
    assert len(told) in (0, 2, 3), (
        told
    )  # nothing that anybody would notice; or what is wrong, that it is mended, that it is done
    assert not told or "is complete" in told[-1]


def test_a_commit_stands_whatever_the_index_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that are on disk are not reported lost, as the index can't be written, or the log not be read for it."""
    database = filled(tmp_path)
    database._index.at = 1

    def fail(*arguments: object) -> bool:
        raise sqlite3.OperationalError("disk I/O error")

    for seq, name in ((401, "_origin"), (402, "_extend")):
        with monkeypatch.context() as broken:
            broken.setattr(database._index, name, fail)
            assert database.commit([(seq, 1.0, "#a", "said", "Ann", f"more {seq}", None)], None) == {}
        assert [row[0] for row in database.read("#a", 400, 999, 9, False)] == list(range(401, seq + 1))
    for seq in range(403, 420):  # more than waits in memory
        with monkeypatch.context() as broken:
            broken.setattr(database._index.file, "change", lambda work: False)
            database.commit([(seq, 1.0, "#a", "said", "Ann", f"more {seq}", None)], None)
    assert not database._index.recent.size
    assert [row[0] for row in database.read("#a", 400, 999, 99, False)] == list(range(401, 420))
    assert len(database.search(Query(words=("more",), rooms=ROOMS, limit=99))) == 19
    database._index.file._retry_at = 0.0
    complete(database)
    assert len(database.search(Query(words=("more",), rooms=ROOMS, limit=99))) == 19
    database.close(420)
    check(tmp_path)
