"""What people cost who come in by SSH: joining, being there, and being told what ten of them say.

``python bench/by_ssh.py [--people 200] [--terminal]`` starts a daemon of its own. A load that speaks SSH costs as much as
the server, and here is but another core: so the figures are the server's CPU time, which does not depend on the load. While
it is measured, readers' bytes are only taken; each is decrypted, and every message looked for, afterwards.
"""

import argparse
import os
import re
import selectors
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from idle import TWISTD, connect, cpu, memory, name
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.transport import SSHClientTransport
from twisted.conch.ssh.userauth import SSHUserAuthClient
from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import StringTransport
from twisted.logger import Logger

QUIET = Logger(observer=lambda event: None)
TALKERS, WINDOW = 10, 32  # as in scenarios (a) and (b)
PAYLOAD = "x" * 50


class Session(SSHChannel):
    """A session whose window is never used up, so that nobody has to say so while it is measured."""

    name = b"session"
    _log = QUIET

    def __init__(self, terminal: bool) -> None:
        super().__init__(0xFFFFFFFF, 32768)
        self.terminal = terminal
        self.received = bytearray()

    def channelOpen(self, specificData: bytes) -> None:
        """Called by conch."""
        if self.terminal:
            pty = NS(b"xterm-256color") + struct.pack(">4L", 80, 24, 0, 0) + NS(b"")
            self.conn.sendRequest(self, b"pty-req", pty)
        self.conn.sendRequest(self, b"shell", b"")

    def dataReceived(self, data: bytes) -> None:
        """Called by conch."""
        self.received += data


class Connection(SSHConnection):
    """Opens the session."""

    _log = QUIET

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def serviceStarted(self) -> None:
        """Called by conch."""
        self.openChannel(self.session)


class Keyless(SSHUserAuthClient):
    """Proves nothing."""

    _log = QUIET


class Guest(SSHClientTransport):
    """Somebody who comes in by SSH."""

    _log = QUIET

    def __init__(self, port: int, number: int, terminal: bool) -> None:
        self.user = name("guest", number).encode()
        self.session = Session(terminal)
        self.socket = connect(port, number)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.taken: list[bytes] = []
        self.makeConnection(StringTransport())

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> "Deferred[int]":
        """Called by conch."""
        return succeed(1)

    def connectionSecure(self) -> None:
        """Called by conch."""
        self.requestService(Keyless(self.user, Connection(self.session)))

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        """Called by conch, with the server's last words."""
        raise AssertionError(f"sent away: {description!r}")

    def flush(self) -> None:
        """Send what conch has to say."""
        self.socket.sendall(self.transport.value())
        self.transport.clear()

    def understand(self) -> None:
        """Decrypt what was taken."""
        taken, self.taken = self.taken, []
        for data in taken:
            self.dataReceived(data)

    def until(self, text: bytes) -> None:
        """Read until this has come."""
        self.flush()
        while text not in self.session.received:
            data = self.socket.recv(65536)
            assert data, f"sent away: {bytes(self.session.received)!r}"
            self.dataReceived(data)
            self.flush()

    def say(self, text: str) -> None:
        """Say something."""
        self.session.write(f"{text}{chr(13) if self.session.terminal else chr(10)}".encode())
        self.flush()


def talk(guests: list[Guest], seconds: float, rate: float) -> int:
    """Let ten of them talk: at a rate, or as fast as the last reader is told. Returns how many messages there were."""
    poller = selectors.DefaultSelector()
    for guest in guests:
        guest.socket.setblocking(False)
        guest.session.received.clear()
        poller.register(guest.socket, selectors.EVENT_READ, guest)
    pacer = guests[-1]
    said, begun = 0, time.monotonic()

    def take(wait: float) -> None:
        for key, _ in poller.select(wait):
            key.data.taken.append(key.data.socket.recv(1 << 20))

    def seen() -> int:
        pacer.understand()
        return pacer.session.received.count(PAYLOAD.encode())

    while time.monotonic() - begun < seconds:
        due = int((time.monotonic() - begun) * rate) if rate else said + TALKERS * WINDOW
        while said < due:
            guests[said % TALKERS].say(f"{said} {PAYLOAD}")
            said += 1
        take(0.005 if rate else 0.5)
        while not rate and seen() < said:
            take(0.5)
    while seen() < said:
        take(0.5)
    take(0.2)
    return said


def missing(guests: list[Guest], said: int) -> int:
    """How many messages somebody was not shown, or twice."""
    wrong = 0
    for guest in guests[TALKERS:]:
        guest.understand()
        numbers = [int(found) for found in re.findall(rb"> (\d+) x{50}\r?\n", guest.session.received)]
        wrong += len(set(range(said)) ^ set(numbers)) + len(numbers) - len(set(numbers))
    return wrong


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rate", type=float, default=0, help="messages a second; 0: as fast as they are shown")
    parser.add_argument("--terminal", action="store_true", help="each has a terminal")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment: dict[str, Any] = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
        listening = ["--host=127.0.0.1", "--port=0", "--limits=off", f"--state={folder}/state"]
        command = [*TWISTD, "-n", "--pidfile=", "chat", *listening]
        daemon = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert daemon.stdout is not None
        while not (found := re.search(r"listening on 127\.0\.0\.1:(\d+)", daemon.stdout.readline())):
            pass
        with Path(os.devnull).open("w") as nowhere:
            drain = subprocess.Popen(["cat"], stdin=daemon.stdout, stdout=nowhere)
        port = int(found[1])
        Guest(port, 9999, options.terminal).until(b"you are now connected!")  # what is loaded once is loaded
        before, used, begun = memory(daemon.pid), cpu(daemon.pid), time.monotonic()
        guests = []
        for number in range(options.people):
            guests.append(Guest(port, number, options.terminal))
            guests[-1].until(b"you are now connected!")
        took, spent = time.monotonic() - begun, cpu(daemon.pid) - used
        grown = (memory(daemon.pid) - before) * 1024
        each, rate = spent / options.people, options.people / took
        print(f"{options.people} came in one after the other: {rate:.0f}/s; {each * 1000:.2f} ms of CPU each, that is", end=" ")
        print(f"{1 / each:.0f}/s a core; {grown / options.people:.1f} KiB each")
        time.sleep(1)
        used, begun = cpu(daemon.pid), time.monotonic()
        said = talk(guests, options.seconds, options.rate)
        took, spent = time.monotonic() - begun, cpu(daemon.pid) - used
        deliveries = said * (options.people - TALKERS)
        print(f"{said} messages, {deliveries / took:,.0f} deliveries/s; {spent / deliveries * 1e6:.3f} µs of CPU each", end=" ")
        print(f"({spent / took:.0%} of a core); {missing(guests, said)} missing or doubled")
        daemon.kill()
        daemon.wait()
        drain.wait()


if __name__ == "__main__":
    main()
