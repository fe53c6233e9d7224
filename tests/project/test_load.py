"""The benchmarks' load finds every fault in what a server delivers. The server here is one that can be told to err."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from daemons import CHECKOUT, PATIENCE, program

READERS = 3
Fault = Callable[[int, bytes], list[bytes]]  # what one reader is sent for its nth message


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The load, compiled."""
    compiled = tmp_path_factory.mktemp("load") / "load"
    subprocess.run([program("gcc"), "-Wall", "-Werror", "-o", compiled, CHECKOUT / "bench/load.c"], check=True)
    return compiled


class Broadcaster:
    """Sends each line to everybody else, but to one reader as a fault has it."""

    def __init__(self, fault: Fault) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.fault = fault
        self.lock = threading.Lock()
        self.people: dict[bytes, socket.socket] = {}
        self.count = 0
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self) -> None:
        """Take in as many as there will be."""
        for _ in range(READERS):
            person = threading.Thread(target=self.serve, args=(self.listener.accept()[0],))
            self.threads.append(person)
            person.start()

    def serve(self, client: socket.socket) -> None:
        """One person, to the end of their input."""
        with client, client.makefile("rb") as lines:
            name = next(lines).strip()
            with self.lock:
                self.people[name] = client
            client.sendall(b"Hello %s, you are now connected!\r\n" % name)
            for line in lines:
                with self.lock:
                    self.broadcast(name, b"[12:01] <%s> %s\r\n" % (name, line.strip()))

    def broadcast(self, author: bytes, shown: bytes) -> None:
        """Send a line to all but its author."""
        for name, client in self.people.items():
            if name == b"u%05d" % (READERS - 1):
                self.count += 1
                client.sendall(b"".join(self.fault(self.count, shown)))
            elif name != author:
                client.sendall(shown)


@pytest.fixture
def measured(load: Path) -> Iterator[Callable[[Fault], dict[str, Any]]]:
    """Runs the load against a broadcaster with a fault, and gives what it printed."""
    opened: list[Broadcaster] = []

    def measure(fault: Fault) -> dict[str, Any]:
        server = Broadcaster(fault)
        opened.append(server)
        port = server.listener.getsockname()[1]
        given = f"--dialect=line --port={port} --pid={os.getpid()} --people={READERS} --talkers=1 --rate=200 --seconds=0.3"
        done = subprocess.run([load, *given.split(), "--warm-up=0"], capture_output=True, check=True, timeout=PATIENCE)
        numbers: dict[str, Any] = json.loads(done.stdout)
        return numbers

    yield measure
    for server in opened:
        for thread in server.threads:
            thread.join(PATIENCE)
        server.listener.close()


def held_back() -> Fault:
    """The tenth message comes after the eleventh."""
    held: list[bytes] = []

    def fault(count: int, shown: bytes) -> list[bytes]:
        if count == 10:
            held.append(shown)
            return []
        return [shown, *held] if count == 11 else [shown]

    return fault


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (lambda count, shown: [shown], {}),
        (lambda count, shown: [shown] if count != 10 else [], {"lost": 1}),
        (lambda count, shown: [shown] * (1 + (count == 10)), {"doubled": 1}),
        (lambda count, shown: [shown] if count != 10 else [shown, b"-> Something else.\r\n"], {"strays": 1}),
        (held_back(), {"disordered": 1}),
    ],
    ids=["none", "lost", "doubled", "another line", "out of order"],
)
def test_each_fault_is_counted(measured: Callable[[Fault], dict[str, Any]], fault: Fault, found: dict[str, int]) -> None:
    """What one reader does not get, gets twice, gets too late, or gets besides; and nothing else."""
    numbers = measured(fault)
    assert numbers["sent"] > 20
    assert {name: numbers[name] for name in ("lost", "doubled", "disordered", "strays") if numbers[name]} == found
    assert numbers["in"] == READERS
