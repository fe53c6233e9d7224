"""The daemon's own log holds up nobody, and what is in it can't harm who reads it."""

import errno
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from daemons import ENVIRONMENT, PATIENCE, TWISTD, Talker, running
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_chat.daemon.log_observer import MOST_WAITING, REPEAT_SECONDS, LogWriter


class Paper:
    """Something to write to, that can be held up or fail."""

    def __init__(self) -> None:
        self.text = ""
        self.free = Event()
        self.free.set()
        self.error: Exception | None = None
        self.opened = 0

    def open(self) -> "Paper":
        """Open it, or open it again."""
        self.opened += 1
        return self

    def write(self, data: bytes) -> None:
        """Called by the writer."""
        self.free.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        self.text += data.decode()

    def rotate(self) -> None:
        """Called by the writer."""
        self.text += "(rotated)\n"


def started(paper: Paper) -> tuple[LogWriter, MemoryReactorClock]:
    """A writer that writes in its thread."""
    writer, reactor = LogWriter(paper.open), MemoryReactorClock()
    writer.start(reactor)
    return writer, reactor


def wait_for(done: Callable[[], object]) -> None:
    """Wait for the thread."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end
        os.sched_yield()


def test_control_characters_are_escaped_and_lines_indented() -> None:
    """In texts, names and tracebacks alike: no byte that a terminal obeys, no line that looks like a record."""
    paper = Paper()
    log = Logger(namespace="twisted_chat.x", observer=LogWriter(paper.open))
    nasty = "a\x1b[2J\r\x07\x9b\u202e\ud800\n2026-01-01T00:00:00+0000 [forged#info] b\x00 ok é 漢"
    log.info("{text}", text=nasty)
    try:
        raise ValueError(nasty)
    except ValueError:
        log.failure("{text}", Failure(), text=nasty)
    assert "".join(sorted({one for one in paper.text if not one.isprintable()})) == "\t\n"
    assert r"a\x1b[2J\r\x07\x9b\u202e\ud800" in paper.text
    assert "é 漢" in paper.text
    assert not [line for line in paper.text.splitlines() if line.startswith("2026-01-01")]


def test_a_log_that_takes_nothing_holds_up_nobody() -> None:
    """What can't wait is dropped, and counted once it goes on."""
    paper = Paper()
    writer, _ = started(paper)
    log = Logger(namespace="twisted_chat.x", observer=writer)
    paper.free.clear()
    before = time.monotonic()
    for number in range(MOST_WAITING + 500):
        log.info("record {number}", number=number)
    assert time.monotonic() - before < 5
    paper.free.set()
    wait_for(lambda: f"record {MOST_WAITING - 1}\n" in paper.text)
    log.info("the last")
    wait_for(lambda: "the last" in paper.text)
    lost = re.search(r"([0-9]+) records are missing here: too many at once", paper.text)
    assert lost
    assert int(lost[1]) + len(re.findall("record [0-9]+\n", paper.text)) == MOST_WAITING + 500


def test_a_full_disk_is_counted_and_told() -> None:
    """Nothing is raised; what was lost is told with its reason when there is space again."""
    paper = Paper()
    log = Logger(namespace="twisted_chat.x", observer=LogWriter(paper.open))
    paper.error = OSError(errno.ENOSPC, "No space left on device")
    for number in range(7):
        log.info("lost {number}", number=number)
    paper.error = None
    log.info("back")
    assert "lost" not in paper.text
    assert "7 records are missing here: [Errno 28] No space left on device\n" in paper.text
    paper.error = ValueError("write to closed file")
    log.info("lost")
    paper.error = None
    log.info("again")
    assert paper.opened == 2
    assert paper.text.endswith("again\n")


def test_the_same_complaint_is_counted() -> None:
    """Others' noise and our errors come ten times a minute; what we say always does."""
    paper, clock = Paper(), Clock()
    writer = LogWriter(paper.open, clock.seconds)
    noise = Logger(namespace="twisted.internet.tcp", observer=writer)
    ours = Logger(namespace="twisted_chat.service", observer=writer)
    for port in range(500):
        noise.info("EMFILE recovery: closed socket from {port}", port=port)
        ours.info("hello")
    clock.advance(REPEAT_SECONDS)
    noise.warn("something else")
    assert paper.text.count("EMFILE") == 11
    assert paper.text.count("hello") == 500
    assert "490 times more: [twisted.internet.tcp#info] EMFILE recovery: closed socket from #" in paper.text


def test_the_last_records_are_waited_for_but_not_for_ever() -> None:
    """At the end each record is written when the call returns, unless the log takes nothing."""
    paper = Paper()
    writer, reactor = started(paper)
    log = Logger(namespace="twisted_chat.x", observer=writer)
    call, _, _ = reactor.triggers["after"]["shutdown"][0]
    call()
    log.info("the last")
    assert paper.text.endswith("the last\n")
    paper.free.clear()
    before = time.monotonic()
    for _ in range(20):
        log.info("nobody reads this")
    assert time.monotonic() - before < 3
    paper.free.set()


def test_a_pipe_nobody_reads(tmp_path: Path) -> None:
    """With -n to a pipe that is full the conversation goes on, and the daemon ends in time, with its usual status."""
    with running(tmp_path, "--log-messages") as daemon:
        talker = Talker(daemon.port)
        talker.ask(type="hello", name="Al")
        talker.until('"type":"joined"')
        for number in range(200):  # 200 KiB of log, into a pipe of 64
            talker.ask(type="say", id=f"{number}", text="x" * 1000)
            talker.until(f'"id":"{number}"')
        before = time.monotonic()
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(PATIENCE) == -signal.SIGTERM
        assert time.monotonic() - before < 5
        talker.close()


@pytest.mark.parametrize("options", [[], ["--logger=twisted.logger.STDLibLogObserver"]])
def test_a_daemons_log_file(tmp_path: Path, options: list[str]) -> None:
    """In the background: its log is written, SIGUSR1 rotates it, the last line is there. ``--logger`` goes before."""
    log, pid = tmp_path / "chat.log", tmp_path / "pid"
    command = [*TWISTD, f"--logfile={log}", f"--pidfile={pid}", *options, "chat", "--host=127.0.0.1", "--port=0"]
    subprocess.run([*command, f"--state={tmp_path / 'state'}"], env=ENVIRONMENT, cwd=tmp_path, check=True, timeout=PATIENCE)
    number = int(pid.read_text())
    if options:
        os.kill(number, signal.SIGTERM)
        wait_for(lambda: not pid.exists())
        assert not log.exists()
        return
    wait_for(lambda: "[LISTENING]" in log.read_text())
    os.kill(number, signal.SIGUSR1)
    wait_for(lambda: (tmp_path / "chat.log.1").exists() and log.exists())
    os.kill(number, signal.SIGTERM)
    wait_for(lambda: not pid.exists() and "Server Shut Down." in log.read_text())
    assert "[LISTENING]" in (tmp_path / "chat.log.1").read_text()
    assert "Shutting down" in log.read_text()


def test_a_log_on_a_full_disk(tmp_path: Path) -> None:
    """The conversation goes on, and so does the daemon."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    port = free_port()
    command = [*TWISTD, "-n", f"--logfile={full}", "--pidfile=", "chat", "--host=127.0.0.1", f"--port={port}"]
    process = subprocess.Popen([*command, f"--state={tmp_path}"], env=ENVIRONMENT)
    try:
        talker = reached(port)
        talker.say("Al", "hello")
        talker.until("I received your message - 'hello'")
        talker.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port that is free just now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        found: int = listening.getsockname()[1]
        return found


def reached(port: int) -> Talker:
    """A talker, as soon as somebody listens."""
    found: list[Talker] = []

    def connected() -> bool:
        try:
            found.append(Talker(port))
        except ConnectionError:
            return False
        return True

    wait_for(connected)
    return found[0]


def test_a_log_file_that_can_not_be_opened_is_one_line(tmp_path: Path) -> None:
    """And a status."""
    command = [*TWISTD, "-n", f"--logfile={tmp_path}/none/log", "chat", "--port=0", f"--state={tmp_path / 'state'}"]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode != 0
    assert len((done.stdout + done.stderr).splitlines()) == 1
    assert "can't be opened: No such file or directory" in done.stderr
