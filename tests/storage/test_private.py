"""Nobody but its owner may read a file that the daemon writes, whatever the umask and the folder's mode are."""

import os
import re
import sqlite3
import stat
import subprocess
from pathlib import Path

import pytest
from daemons import ENVIRONMENT, TWISTD, Talker
from indexes import NAME

from twisted_chat.daemon.log_observer import PrivateLogFile


def mode(path: Path) -> str:
    """A file's permissions."""
    return f"{stat.S_IMODE(path.stat().st_mode):04o}"


def modes(folder: Path) -> dict[str, str]:
    """Those of all files below a folder."""
    return {str(path.relative_to(folder)): mode(path) for path in sorted(folder.rglob("*")) if path.is_file()}


class Daemonized:
    """A daemon that writes its log to a file."""

    def __init__(self, state: Path, log: Path, umask: int) -> None:
        before = log.stat().st_size if log.exists() else 0
        command = [*TWISTD, "-n", "--pidfile=", f"--logfile={log}", "chat", "--host=127.0.0.1", "--port=0", f"--state={state}"]
        self._process = subprocess.Popen([*command], env=ENVIRONMENT, umask=umask)
        while not (found := re.search(r"127\.0\.0\.1:([0-9]+)\n", log.read_text()[before:] if log.exists() else "")):
            assert self._process.poll() is None
        self.port = int(found[1])

    def end(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(20)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_files_are_private_from_the_beginning_and_after_an_upgrade(tmp_path: Path, umask: int) -> None:
    """All that lies in the folder, and the daemon's log; files that others could read are taken away from them."""
    state, log = tmp_path / "state", tmp_path / "twistd.log"
    state.mkdir()
    state.chmod(0o755)
    daemon = Daemonized(state, log, umask)
    talker = Talker(daemon.port, "Ann")
    talker.say("tea")
    talker.until("I received your message - 'tea'")
    talker.say("/search tea")
    talker.until("tea")
    running = modes(state)
    assert {"chat.db", "chat.db-wal", "chat.db-shm", "chat.lock", NAME} <= {*running}
    assert {*running.values()} == {"0600"}, running
    assert mode(log) == "0600"
    assert log.read_text().count("Other users can look into the folder") == 1
    daemon.end()
    with sqlite3.connect(state / "chat.db") as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    for name in ("chat-schema-7.db", "chat-damaged.db", "chat.db-wal", "twistd.log.1"):
        (tmp_path / name if name.startswith("twistd") else state / name).write_bytes(b"")
    for path in (*state.rglob("*"), log, tmp_path / "twistd.log.1"):
        if path.is_file():
            path.chmod(0o644)
    strange = state / "notes.txt"
    strange.write_text("not ours")
    strange.chmod(0o644)
    Daemonized(state, log, umask).end()
    after = modes(state)
    assert after.pop("notes.txt") == "0644"
    assert {*after.values()} == {"0600"}, after
    assert mode(log) == mode(tmp_path / "twistd.log.1") == "0600"


def test_a_log_that_is_rotated_stays_private(tmp_path: Path) -> None:
    """Each new file, and the one before; a device is left alone, and what a link leads to is made private."""
    before = os.umask(0)
    try:
        (tmp_path / "log").write_text("old\n")
        (tmp_path / "log").chmod(0o666)
        file = PrivateLogFile.fromFullPath(str(tmp_path / "log"))
        assert modes(tmp_path) == {"log": "0600"}
        file.write(b"x\n")
        file.rotate()
        file.write(b"y\n")
        file.close()
        assert modes(tmp_path) == {"log": "0600", "log.1": "0600"}
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
        PrivateLogFile.fromFullPath(str(tmp_path / "link")).close()
        assert mode(tmp_path / "elsewhere") == "0600"
        null = mode(Path("/dev/null"))
        PrivateLogFile.fromFullPath("/dev/null").close()
        assert mode(Path("/dev/null")) == null
    finally:
        os.umask(before)
