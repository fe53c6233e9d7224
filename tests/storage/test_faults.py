"""A disk that fails, files that are taken away, another program's lock: a real daemon, and what it says and keeps."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from daemons import ENVIRONMENT, PATIENCE, TWISTD, Daemon, Talker, running
from preload import preloaded, set_clock

STOPPED, BACK = "History has stopped", "History is back"


class Al(Talker):
    """A program that says things and notes what became of them."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon.port)
        self.kept: list[str] = []
        self.ask(type="hello", name="Al", client="secret")
        self.until('"type":"joined"')

    def keeps(self, text: str) -> bool:
        """Say something. Whether it was kept."""
        self.ask(type="say", id=text, text=text)
        self.until('{"type":"receipt"')
        kept: bool = json.loads('{"type":"receipt"' + self.until("}"))["kept"]
        if kept:
            self.kept.append(text)
        return kept


def history(state: Path) -> list[str]:
    """What a log holds, in order; it has to be sound."""
    connection = sqlite3.connect(state / "chat.db")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [text for (text,) in connection.execute("SELECT text FROM messages ORDER BY seq")]
    finally:
        connection.close()


@pytest.mark.parametrize("fault", ["write 5", "write 28", "write 30", "sync 5", "sync 28"])
def test_a_failing_disk_costs_no_receipted_message(tmp_path: Path, fault: str) -> None:
    """EIO, ENOSPC or EROFS: shown but not kept; said once that history stops and is back; and then a power failure.

    What was receipted is on disk, also what was said after the fault; what was said to be lost is not in the history.
    """
    control, state = tmp_path / "control", tmp_path / "state"
    daemon = Daemon(str(state), environment=preloaded("bad_disk", control))
    al = Al(daemon)
    bob = Talker(daemon.port, "Bob")
    assert al.keeps("first")
    control.write_text(fault)
    assert not al.keeps("lost")
    assert not al.keeps("lost too")
    control.unlink()
    bob.until(BACK)
    assert al.keeps("kept")
    assert after_power_failure(state, tmp_path / "early") == ["first", "kept"]
    al.ask(type="history", room="#lobby", id="h")
    assert "lost" not in al.until('"id":"h"').split('"type":"receipt"')[-1]
    for number in range(300):  # past a checkpoint
        assert al.keeps(f"and {number}")
    daemon.end(signal.SIGKILL)
    bob.until("and 299")
    assert daemon.output.count(STOPPED) == daemon.output.count(BACK) == 1
    assert after_power_failure(state, tmp_path / "late") == al.kept
    assert history(state) == al.kept


def after_power_failure(state: Path, folder: Path) -> list[str]:
    """What would be in the history if the power failed now. See bad_disk.c."""
    folder.mkdir()
    for name in ("chat.db", "chat.db-wal"):
        shutil.copy(state / f"{name}.disk", folder / name)
    return history(folder)


def take_away(state: Path, how: str) -> None:
    """Do something to a log in use."""
    log, wal = state / "chat.db", state / "chat.db-wal"
    match how:
        case "renamed":
            log.rename(state / "elsewhere")
        case "deleted":
            (state / "elsewhere").hardlink_to(log)
            log.unlink()
        case "replaced":
            log.rename(state / "elsewhere")
            log.write_text("something else")
        case "older copy":
            log.rename(state / "elsewhere")
            shutil.copy(state / "copy", log)
        case "wal deleted":
            wal.unlink()
            (state / "elsewhere").hardlink_to(log)


@pytest.mark.parametrize("how", ["renamed", "deleted", "replaced", "older copy", "wal deleted"])
def test_a_log_taken_away_is_noticed_and_comes_back(tmp_path: Path, how: str) -> None:
    """The next message is not receipted; once the file is back, history is, with all that was ever receipted."""
    with running(tmp_path) as daemon:
        al = Al(daemon)
        bob = Talker(daemon.port, "Bob")
        assert al.keeps("first")
        copy = sqlite3.connect(tmp_path / "chat.db")
        copy.execute("VACUUM INTO ?", (str(tmp_path / "copy"),))
        copy.close()
        assert al.keeps("second")
        take_away(tmp_path, how)
        assert not al.keeps("lost")
        if how != "wal deleted":
            assert not al.keeps("lost too")
            bob.until(STOPPED)
            (tmp_path / "elsewhere").rename(tmp_path / "chat.db")
        bob.until(BACK)
        assert al.keeps("third")
        daemon.end()
        assert "Traceback" not in daemon.output
    assert history(tmp_path) == al.kept == ["first", "second", "third"]


def test_a_log_that_is_gone_for_good_is_not_begun_anew(tmp_path: Path) -> None:
    """It is said in the daemon's log, and the next start refuses until the operator has decided."""
    with running(tmp_path) as daemon:
        al = Al(daemon)
        assert al.keeps("first")
        (tmp_path / "chat.db").unlink()
        assert not al.keeps("lost")
        daemon.wait_for(f"{STOPPED}: {tmp_path}/chat.db: the log's files were deleted")
        daemon.wait_for("the log's file is gone; it has to be put back")
        daemon.end()
        assert "The log was not closed in good order" in daemon.output
    assert "chat.db is gone. Put it back, or remove" in refusal(tmp_path)
    assert not (tmp_path / "chat.db").exists()


def refusal(state: Path) -> str:
    """The one line with which a start is refused."""
    command = [*TWISTD, "-n", "--pidfile=", "chat", "--host=127.0.0.1", "--port=0", f"--state={state}"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode not in (0, None)
    assert len((done.stdout + done.stderr).splitlines()) == 1, done.stdout + done.stderr
    return done.stderr


def test_after_a_kill_a_missing_wal_is_a_fault_and_odd_files_beside_are_none(tmp_path: Path) -> None:
    """What was said last was in the ``-wal``: said so in one line. Garbage in ``-shm`` or a half-made log do no harm."""
    with running(tmp_path) as daemon:
        al = Al(daemon)
        assert al.keeps("first")
        daemon.end(signal.SIGKILL)
    (tmp_path / "chat.db-shm").write_bytes(b"\xff" * 70000)
    (tmp_path / "chat.new").write_bytes(b"half")
    with running(tmp_path) as daemon:
        al = Al(daemon)
        assert al.keeps("second")
        daemon.end(signal.SIGKILL)
    assert history(tmp_path) == ["first", "second"]  # whoever looks moves the -wal into the log: that is no fault
    assert not (tmp_path / "chat.db-wal").exists()
    with running(tmp_path) as daemon:
        al = Al(daemon)
        assert al.keeps("third")
        daemon.end(signal.SIGKILL)
    (tmp_path / "chat.db-wal").unlink()
    assert "lacks what was said last: its -wal is gone" in refusal(tmp_path)
    (tmp_path / "chat.lock").unlink()
    with running(tmp_path) as daemon:
        daemon.end()
    assert history(tmp_path) == ["first", "second"]


@pytest.mark.parametrize("readonly", ["chat.db", "."])
def test_a_log_that_can_not_be_written_is_refused(readonly: str) -> None:
    """A read-only file or folder: one line, also for somebody who is not root."""
    with tempfile.TemporaryDirectory() as above:
        state = Path(above) / "state"
        with running(state) as daemon:
            daemon.end()
        Path(above).chmod(0o755)
        if os.getuid() == 0:
            for path in (state, *state.iterdir()):
                os.chown(path, 65534, 65534)
        (state / readonly).chmod(0o444 if readonly != "." else 0o555)
        code = (
            "import os, pathlib, sys; from twisted_chat.storage.sqlite.state_dir import Folder, StateError\n"
            "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
            "try: Folder(pathlib.Path(sys.argv[1])).claim()\n"
            "except StateError as error: print(error)"
        )
        done = subprocess.run([*TWISTD[:2], code, str(state)], env=ENVIRONMENT, capture_output=True, text=True)
        state.chmod(0o755)
        assert ("can't be written to" if readonly == "." else "not a file that can be read and written") in done.stdout


def test_a_disk_that_is_full_at_the_start_is_one_line(tmp_path: Path) -> None:
    """The log can't be opened for writing: the start fails, with a reason and without a traceback."""
    control = tmp_path / "control"
    control.write_text("write 28")
    command = [*TWISTD, "-n", "--pidfile=", "chat", "--host=127.0.0.1", "--port=0", f"--state={tmp_path / 'state'}"]
    environment = ENVIRONMENT | preloaded("bad_disk", control)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "can't be opened: database or disk is full" in done.stderr
    assert "Traceback" not in done.stdout


def test_a_log_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    """One line."""
    (tmp_path / "chat.db").mkdir()
    assert "is not a file" in refusal(tmp_path)


def test_a_log_damaged_while_in_use(tmp_path: Path) -> None:
    """History stops, for as long as the daemon runs: it does not come and go. The next start refuses."""
    with running(tmp_path) as daemon:
        al = Al(daemon)
        assert al.keeps("first")
        daemon.end()
    with running(tmp_path) as daemon:
        al = Al(daemon)
        bob = Talker(daemon.port, "Bob")
        data = (tmp_path / "chat.db").read_bytes()
        with (tmp_path / "chat.db").open("r+b") as file:
            file.write(data[:8192] + b"\xaa" * (len(data) - 8192))
        assert [al.keeps(f"lost {number}") for number in range(5)] == [False] * 5
        bob.until("lost 4")
        daemon.end()
        assert daemon.output.count(STOPPED) == 1
        assert BACK not in daemon.output
        assert "Traceback" not in daemon.output
    assert "is damaged" in refusal(tmp_path)


def test_another_programs_lock(tmp_path: Path) -> None:
    """Locked by another program: the conversation goes on, nobody waits again for what they were told, and it comes back."""
    with running(tmp_path) as daemon:
        al = Al(daemon)
        bob = Talker(daemon.port, "Bob")
        other = sqlite3.connect(tmp_path / "chat.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        al.ask(type="say", text="shown at once")
        bob.until("shown at once")
        al.until('"kept":false')
        assert not al.keeps("lost")
        other.execute("ROLLBACK")
        other.close()
        bob.until(BACK)
        assert al.keeps("kept")
        daemon.end()
    assert history(tmp_path) == ["kept"]


def test_clock_steps(tmp_path: Path) -> None:
    """An hour forward, an hour back, and to 1970: order is by number, timers go on, nobody is dropped, nothing is taken out."""
    control = tmp_path / "clock"
    daemon = Daemon(str(tmp_path / "state"), "--keep=10m", environment=preloaded("clock", control))
    al = Al(daemon)
    bob = Talker(daemon.port, "Bob")
    for step in (0, 3600, 0, -3600, 0, -int(time.time()) + 86400, 365 * 86400, 0):
        set_clock(control, step)
        assert al.keeps(f"said at {step:+} as number {len(al.kept)}")
        bob.until(al.kept[-1])
        newcomer = Talker(daemon.port)
        newcomer.until("Welcome")  # after a grace of 300 ms, which is a timer
        newcomer.close()
    bob.say("/history 20")
    shown = [bob.until(text) for text in al.kept]
    assert len(shown) == len(al.kept)
    assert daemon.end() == -signal.SIGTERM
    assert "Traceback" not in daemon.output
    assert history(tmp_path / "state") == al.kept
    connection = sqlite3.connect(tmp_path / "state" / "chat.db")
    years = [year for (year,) in connection.execute("SELECT strftime('%Y', time, 'unixepoch') FROM messages ORDER BY seq")]
    connection.close()
    assert years.count("1970") == 1
