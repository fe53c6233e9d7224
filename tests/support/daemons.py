"""A real ``twistd chat`` in a process of its own, and plain sockets that talk to it."""

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

CHECKOUT = Path(__file__).parents[2]
TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
CLIENT = [sys.executable, "-m", "twisted_chat.client"]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(str(CHECKOUT / one) for one in ("", "tests", "tests/support"))}
# How long anything may take before it counts as never, in seconds.
PATIENCE = 20.0

# The sockets that talkers opened; closed at the end of each test.
OPEN: list[socket.socket] = []


def program(name: str) -> str:
    """The path of a program. Where it is missing the test is skipped, or fails in CI."""
    path = shutil.which(name)
    if path is None:
        assert not os.environ.get("CI"), f"{name} is missing"
        pytest.skip(f"{name} is missing")
    return path


class Output:
    """What a process writes, read as it comes: a pipe that nobody reads is full at some time, and then holds it up."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.data = bytearray()
        self._ended = False
        self._news = threading.Condition()
        threading.Thread(target=self._read, args=(pipe,), daemon=True).start()

    def wait_for(self, pattern: bytes, seconds: float = PATIENCE) -> "re.Match[bytes] | None":
        """Wait until this stands in it; None if it ends first, or so many seconds are not enough."""
        with self._news:
            self._news.wait_for(lambda: self._ended or re.search(pattern, self.data), seconds)
            return re.search(pattern, bytes(self.data))

    def wait_for_end(self, seconds: float = PATIENCE) -> bool:
        """Wait until the process, and who has its output from it, has ended."""
        with self._news:
            return self._news.wait_for(lambda: self._ended, seconds)

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            while data := os.read(pipe.fileno(), 65536):
                with self._news:
                    self.data += data
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


class Daemon:
    """A daemon in the foreground, listening on a port of its own."""

    def __init__(
        self, state: str, *options: str, before: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        command = [*before, *TWISTD, "-n", "--pidfile=", "chat", "--host=127.0.0.1", "--port=0", f"--state={state}"]
        self.process = subprocess.Popen(
            [*command, *options],
            env=ENVIRONMENT | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self.process.stdout is not None
        self._output = Output(self.process.stdout)
        self.port = int(self.wait_for(r"\[LISTENING\] Server is listening on 127\.0\.0\.1:(\d+)")[1])

    @property
    def output(self) -> str:
        """What it has written so far."""
        return self._output.data.decode(errors="replace")  # it may stop in the middle of a character

    def wait_for(self, pattern: str) -> "re.Match[str]":
        """Wait until this stands in its output."""
        self._output.wait_for(pattern.encode())
        found = re.search(pattern, self.output)
        assert found, f"no {pattern!r} in {self.output}"
        return found

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and wait for the exit status."""
        self.process.send_signal(number)
        return self.status()

    def status(self) -> int:
        """Wait for the exit status."""
        status = self.process.wait(PATIENCE)
        assert self._output.wait_for_end()
        return status


@contextmanager
def running(state: object, *options: str) -> Iterator[Daemon]:
    """A daemon, killed at the end if it still lives."""
    daemon = Daemon(str(state), *options)
    try:
        yield daemon
    finally:
        daemon.end(signal.SIGKILL)


class Talker:
    """A socket that speaks lines."""

    def __init__(self, port: int, name: str | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.seen = b""
        OPEN.append(self.socket)
        if name is not None:
            self.say(name)
            self.until(f"Hello {name}, you are now connected!")

    def say(self, *lines: str) -> None:
        """Send lines."""
        self.socket.sendall("".join(f"{line}\n" for line in lines).encode())

    def ask(self, **request: Any) -> None:
        """Send a JSON object."""
        self.say(json.dumps(request))

    def until(self, text: str) -> str:
        """All that came up to and with this text; what follows stays for the next time."""
        wanted = text.encode()
        deadline = time.monotonic() + PATIENCE
        while wanted not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} did not come, but {self.seen!r}"
            assert select.select([self.socket], [], [], PATIENCE)[0], f"{text!r} did not come, but {self.seen!r}"
            data = self.socket.recv(65536)
            assert data, f"closed before {text!r}: {self.seen!r}"
            self.seen += data
        before, self.seen = self.seen.split(wanted, 1)
        return before.decode() + text

    def rest(self) -> str:
        """All that comes until the other end closes."""
        while data := self.socket.recv(65536):
            self.seen += data
        self.socket.close()
        return self.seen.decode()

    def close(self) -> None:
        """End it."""
        self.socket.close()
