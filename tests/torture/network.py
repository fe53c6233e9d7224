"""The harness's ends of connections: sockets that one thread reads, so that whoever waits for something waits for that."""

import itertools
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable

from torture.case import FellShort
from torture.doors import Door, Heard

# How long anything may take before it counts as never, in seconds.
PATIENCE = 15.0

_addresses = (f"127.{a}.{b}.{c}" for a in range(1, 255) for b in range(256) for c in range(1, 255))
_address_lock = threading.Lock()


def fresh_address() -> str:
    """A source address on the loopback that nobody has come from: limits count by address."""
    with _address_lock:
        return next(_addresses)


def connected(port: int, address: str | None = None, *, receive_buffer: int = 0, seconds: float = PATIENCE) -> socket.socket:
    """A socket that is connected to the daemon, from this address or one of its own."""
    one = socket.socket()
    try:
        one.settimeout(seconds)
        one.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT: the port is chosen at connect
        if receive_buffer:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        one.bind((address or fresh_address(), 0))
        one.connect(("127.0.0.1", port))
    except OSError:
        one.close()
        raise
    return one


class Ears:
    """A thread that reads what connections are sent."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self.changed = threading.Condition()
        self._todo: list[tuple[bool, Person]] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def add(self, person: "Person") -> None:
        """Read this connection from now on."""
        self._ask(True, person)

    def remove(self, person: "Person") -> None:
        """Read it no more. Returns when that is so."""
        if person.heard_by_ears:
            self._ask(False, person)
            with self.changed:
                self.changed.wait_for(lambda: not person.heard_by_ears, PATIENCE)

    def _ask(self, add: bool, person: "Person") -> None:
        if add:
            person.heard_by_ears = True
        with self.changed:
            self._todo.append((add, person))
        self._wake.send(b"x")

    def _listen(self) -> None:
        while True:
            ready = self._selector.select()
            with self.changed:
                for key, _ in ready:
                    if key.data is None:
                        self._woken.recv(4096)
                        self._register()
                    else:
                        self._read(key.data)
                self.changed.notify_all()

    def _register(self) -> None:
        todo, self._todo = self._todo, []
        for add, person in todo:
            if add:
                self._selector.register(person.socket, selectors.EVENT_READ, person)
            else:
                self._forget(person)

    def _read(self, person: "Person") -> None:
        if not person.take(262144, socket.MSG_DONTWAIT):
            person.closed = time.monotonic()
            self._forget(person)

    def _forget(self, person: "Person") -> None:
        if person.heard_by_ears:
            self._selector.unregister(person.socket)
            person.heard_by_ears = False


EARS = Ears()


class Person:
    """Somebody, or something, at the other end of a connection."""

    def __init__(
        self, door: Door, port: int, address: str | None = None, *, receive_buffer: int = 0, listens: bool = True
    ) -> None:
        self.door = door
        self.name = ""
        self.address = address or fresh_address()
        self.received = bytearray()
        self.closed = 0.0  # when the other end closed, on the monotonic clock; 0: it has not
        self.heard_by_ears = False
        self._understood = 0
        self._heard: list[Heard] = []
        self.socket = connected(port, self.address, receive_buffer=receive_buffer)
        self.inside = door.encryption(self.socket) if door.encryption else None
        if self.inside is not None:
            try:
                self.inside.shake_hands()
            except OSError:  # who is turned away before a handshake is told why as everybody is: without encryption
                self.received += self.inside.refusal
                self.closed = time.monotonic()
                return
        if listens:
            EARS.add(self)

    def take(self, most: int, flags: int = 0) -> bool:
        """Read so many bytes at the most, as they come over the wire, to `received`. False if the other end has closed."""
        try:
            data = self.socket.recv(most, flags)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if self.inside is None or not data:
            self.received += data
            return bool(data)
        self.received += self.inside.decrypted(data)
        return not self.inside.closed

    def send(self, data: bytes) -> bool:
        """Send bytes. False if the other end would not have them: it has closed, or takes nothing for `PATIENCE` seconds."""
        try:
            self.socket.sendall(self.inside.encrypted(data) if self.inside is not None else data)
        except OSError:
            return False
        return True

    def say(self, *texts: str) -> None:
        """Say texts."""
        self.send(b"".join(map(self.door.say, texts)))

    def command(self, line: str) -> None:
        """Type a line."""
        self.send(self.door.command(line))

    @property
    def heard(self) -> list[Heard]:
        """All whole lines that have come, understood."""
        end = self.received.rfind(b"\n") + 1
        if end > self._understood:
            new = bytes(self.received[self._understood : end])
            self._understood = end
            self._heard.extend(self.door.hear(line) for line in self.door.lines(new))
        return self._heard

    def until(self, holds: Callable[[], object], seconds: float = PATIENCE) -> bool:
        """Wait until something holds, which may change whenever bytes come or an end. False if it never did."""
        with EARS.changed:
            return bool(EARS.changed.wait_for(holds, seconds))

    def wait_for(self, text: str, *kinds: str, seconds: float = PATIENCE) -> Heard:
        """Wait for a line that has this text in it, of one of these kinds or any. Raises `FellShort`."""
        found: list[Heard] = []

        def come() -> bool:
            found.extend(one for one in self.heard if text in one.text and (not kinds or one.kind in kinds))
            return bool(found) or bool(self.closed)

        self.until(come, seconds)
        if not found:
            raise FellShort(f"{text!r} did not come to {self.name or 'nobody'} within {seconds} s: {self.tail()}")
        return found[0]

    def tail(self) -> str:
        """The end of what came, for messages."""
        return repr(bytes(self.received[-200:])) + (" and the end" if self.closed else "")

    def forget(self) -> None:
        """Drop what has come so far."""
        with EARS.changed:
            del self.received[: self._understood]
            self._understood = 0
            self._heard.clear()

    def listen(self) -> None:
        """Begin to read."""
        EARS.add(self)

    def end_input(self) -> None:
        """Half close: there is no more to say. Inside TLS and SSH, their own words for that."""
        if self.inside is not None:
            self.socket.sendall(self.inside.end())
        else:
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End the connection with an RST, as a process that is killed may."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """End the connection."""
        EARS.remove(self)
        self.socket.close()


_count = itertools.count(1)


def fresh_name(stem: str = "Guest") -> str:
    """A name nobody has, and that looks like nobody's: letters stand for the digits."""
    return stem + "".join("abcdefghkp"[int(digit)] for digit in str(next(_count)))
