"""A log of an earlier version is brought up to ours, and a copy of it stays beside it."""

import sqlite3
from pathlib import Path

import pytest

from twisted_chat.core.ports import Query
from twisted_chat.storage import renewal as storage
from twisted_chat.storage.database import Database
from twisted_chat.storage.renewal import StateError


def made_by_version_1(folder: Path) -> None:
    """A log as the first version left it."""
    connection = sqlite3.connect(folder / "chat.db", isolation_level=None)
    connection.executescript(storage.script(1))
    connection.execute(f"PRAGMA application_id = {storage.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("INSERT INTO log VALUES ('abc', 7)")
    connection.execute("INSERT INTO messages VALUES (5, 1.5, '#lobby', 'said', 'Ann', 'good tea', x'01')")
    connection.execute("INSERT INTO messages VALUES (6, 2.5, '#lobby', 'emoted', 'Ben', 'pours', NULL)")
    connection.close()


def opened(folder: Path) -> tuple[Database, str, int]:
    """The log, opened."""
    found = Database(folder)
    found.claim()
    return found, *found.open(100)


def test_version_1_is_upgraded(tmp_path: Path) -> None:
    """Messages, numbers and keys are what they were; they can be searched; the copy is the old file."""
    made_by_version_1(tmp_path)
    log, log_id, used = opened(tmp_path)
    assert (log_id, used) == ("abc", 7)
    assert [row[0] for row in log.read("#lobby", 0, 99, 9, False)] == [5, 6]
    assert log.find(b"\x01") == 5
    assert [row[5] for row in log.search(Query(words=("tea",), rooms=("#lobby",)))] == ["good tea"]
    assert log.query("PRAGMA user_version") == [(storage.VERSION,)]
    log.close(7)
    copy = sqlite3.connect(tmp_path / "chat-schema-1.db")
    assert copy.execute("PRAGMA user_version").fetchone() == (1,)
    assert copy.execute("SELECT count(*) FROM messages").fetchone() == (2,)
    copy.close()


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It happens as a whole or not at all, and the daemon says why it does not start."""
    made_by_version_1(tmp_path)
    right = storage.script
    monkeypatch.setattr(storage, "script", lambda version: right(version) + "SELECT nonsense;")
    with pytest.raises(StateError, match="nonsense"):
        opened(tmp_path)
    monkeypatch.undo()
    log, _, used = opened(tmp_path)
    assert used == 7
    assert log.find(b"\x01") == 5
    log.close(7)


def test_words_said_before_the_upgrade_and_after_it_are_found(tmp_path: Path) -> None:
    """Which messages are in the index of words is known across versions, restarts and what is taken out."""
    made_by_version_1(tmp_path)
    for life, (seq, text) in enumerate([(7, "more tea"), (8, "tea again"), (9, "no tea")]):
        log, _, _ = opened(tmp_path)
        log.commit([(seq, 3.0, "#lobby", "said", "Ann", text, None)], None)
        if life == 1:
            log.erase(8, ["#lobby"], "(deleted)")
            log.erase(5, ["#lobby"], "(deleted)")
        if life == 2:
            assert [row[0] for row in log.search(Query(words=("tea",), rooms=("#lobby",)))] == [9, 7]
            log.prune(7)
            assert [row[0] for row in log.search(Query(words=("tea",), rooms=("#lobby",)))] == [9]
        log.close(seq)


def made_by_version(version: int, folder: Path) -> None:
    """A log with messages in fifty rooms, in which the last are in no index yet."""
    connection = sqlite3.connect(folder / "chat.db", isolation_level=None)
    for number in range(1, version + 1):
        connection.executescript(storage.script(number))
    connection.execute(f"PRAGMA application_id = {storage.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("INSERT INTO log (id, reserved, indexed) VALUES ('abc', 9999, 3000)")
    said = [(seq, float(seq), f"#{seq * seq % 50}", f"tea {seq}", b"%d" % seq) for seq in range(1, 3401)]
    connection.executemany(
        "INSERT INTO messages (seq, time, room, kind, author, text, key) VALUES (?, ?, ?, 'said', 'Ann', ?, ?)", said
    )
    connection.execute("INSERT INTO places SELECT room, seq FROM messages WHERE seq <= 3000")
    connection.execute("INSERT INTO words (rowid, text) SELECT seq, text FROM messages WHERE seq <= 3000")
    connection.close()


@pytest.mark.parametrize("version", [4, 6])
def test_rooms_have_the_messages_they_had(tmp_path: Path, version: int) -> None:
    """Those in the indexes and those that are not yet, in order; what is said later follows them; all can be taken out."""
    made_by_version(version, tmp_path)
    log, _, _ = opened(tmp_path)
    for room in range(50):
        there = [seq for seq in range(1, 3401) if seq * seq % 50 == room]
        assert [row[0] for row in log.read(f"#{room}", 0, 9999, 9999, False)] == there
        assert log.count(f"#{room}", 0, 9999, 9999) == len(there)
        assert log.last_before(f"#{room}", 1500.5) == max((seq for seq in there if seq <= 1500), default=0)
    while log.mend() is not None:
        pass
    for room in range(50):
        there = [seq for seq in range(1, 3401) if seq * seq % 50 == room]
        assert [row[0] for row in log.read(f"#{room}", 0, 9999, 9999, False)] == there
    log.commit([(3401, 1.0, "#0", "said", "Ann", "more", b"3400"), (3402, 1.0, "#1", "told", "Ann", "tea", None)], None)
    assert [row[0] for row in log.search(Query(words=("tea",), rooms=("#1",), limit=2))] == [3402, 3399]
    with pytest.raises(sqlite3.IntegrityError):
        log.write([("INSERT INTO messages VALUES (3403, 1.0, '#1', 'sung', 'Ann', 'tea', NULL)", ())])
    log.prune(3402)
    assert log._index.file.segments == {"rooms": [], "words": []}
    log.close(3402)
