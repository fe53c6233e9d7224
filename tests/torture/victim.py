"""The daemon under attack: a real ``twistd chat``, its output, and what the system says of its process."""

import os
import re
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

from daemons import ENVIRONMENT, TWISTD, Output
from preload import preloaded

from torture.case import USUAL, FellShort, Setup

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1024 * 1024
# How often memory is looked at, in seconds.
SAMPLING = 0.02


# A daemon, and what it runs under, ends when whoever started it has: the harness may be killed at any time.
UNTIL_WE_END = ("setpriv", "--pdeathsig=KILL")

# All come from the loopback here, and are counted by address all the same.
COUNTED = "--exempt=none"


class Victim:
    """A daemon in the foreground. Its output is read all the time, and its memory is watched."""

    def __init__(self, state: Path | str, setup: Setup = USUAL, *, ready: bool = True) -> None:
        """With ``ready``, wait until it listens; raises `FellShort` if it ends before."""
        self.state = Path(state)
        self.control = Path(f"{state}.control")  # tells what is preloaded what to do
        self.peak = 0.0
        command = [
            *UNTIL_WE_END,
            *setup.before,
            *UNTIL_WE_END,
            *TWISTD,
            "-n",
            "--pidfile=",
            "chat",
            "--host=127.0.0.1",
            "--port=0",
            f"--state={state}",
        ]
        self.process = subprocess.Popen(
            [*command, COUNTED, *setup.options],
            env=ENVIRONMENT | (preloaded(setup.preload, self.control) if setup.preload else {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.pid = self.process.pid
        assert self.process.stdout is not None
        self._output = Output(self.process.stdout)
        if ready:
            try:
                self.port = int(self.wait_for(rb"Server is listening on 127\.0\.0\.1:(\d+)")[1])
            except FellShort:
                self.end(signal.SIGKILL)
                raise
            threading.Thread(target=self._sample, daemon=True).start()

    def wait_for(self, pattern: bytes, seconds: float = 20.0) -> "re.Match[bytes]":
        """Wait until this stands in its output. Raises `FellShort` if it ends first, or takes too long."""
        found = self._output.wait_for(pattern, seconds)
        if not found:
            raise FellShort(f"{pattern!r} did not stand in the log: {bytes(self.output[-500:])!r}")
        return found

    @property
    def output(self) -> bytearray:
        """What it has written so far."""
        return self._output.data

    @property
    def memory(self) -> float:
        """Resident memory, in MiB; 0 if it has ended."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE / MIB
        except (OSError, IndexError):
            return 0.0

    @property
    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    @property
    def cpu(self) -> float:
        """Processor time it has used, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def kept(self, after: int = 0) -> list[tuple[int, str, str, str]]:
        """What is in the history on disk: (number, room, author, text)."""
        return kept(self.state, after)

    def end(self, number: int = signal.SIGTERM, seconds: float = 15.0) -> int:
        """Send a signal, and wait for the exit status. Raises `FellShort`, and kills it, if it does not end."""
        if self.alive:
            self.process.send_signal(number)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise FellShort(f"the daemon did not end within {seconds} s after signal {number}") from None
        self._output.wait_for_end(seconds)
        return status

    def _sample(self) -> None:
        while memory := self.memory:
            self.peak = max(self.peak, memory)
            time.sleep(SAMPLING)


def kept(state: Path, after: int = 0) -> list[tuple[int, str, str, str]]:
    """What is in the history on disk: (number, room, author, text), in the order of the numbers."""
    connection = sqlite3.connect(f"file:{state / 'chat.db'}?mode=ro", uri=True, timeout=10)
    try:
        rows = "SELECT seq, room, author, text FROM messages WHERE seq > ? ORDER BY seq"
        return connection.execute(rows, (after,)).fetchall()
    finally:
        connection.close()
