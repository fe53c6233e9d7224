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
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parent.parent
TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
CLIENT = [sys.executable, "-m", "twisted_chat.client"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(CHECKOUT)}
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


class Daemon:
    """A daemon in the foreground, listening on a port of its own."""

    def __init__(self, state: str, *options: str, before: tuple[str, ...] = ()) -> None:
        command = [*before, *TWISTD, "-n", "--pidfile=", "chat", "--host=127.0.0.1", "--port=0", f"--state={state}"]
        self.process = subprocess.Popen(
            [*command, *options], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.output = ""
        self.port = int(self.wait_for(r"\[LISTENING\] Server is listening on 127\.0\.0\.1:(\d+)")[1])

    def wait_for(self, pattern: str) -> "re.Match[str]":
        """Read its output until this comes."""
        assert self.process.stdout is not None
        while not (found := re.search(pattern, self.output)):
            line = self.process.stdout.readline()
            assert line, f"ended without {pattern!r}: {self.output}"
            self.output += line
        return found

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and wait for the exit status."""
        self.process.send_signal(number)
        return self.status()

    def status(self) -> int:
        """Wait for the exit status."""
        rest, _ = self.process.communicate(timeout=PATIENCE)
        self.output += rest
        return self.process.returncode


@contextmanager
def running(state: object, *options: str) -> Iterator[Daemon]:
    """A daemon, killed at the end if it still lives."""
    daemon = Daemon(str(state), *options)
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.process.kill()
        daemon.process.communicate()


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
