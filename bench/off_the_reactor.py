"""What must not hold anybody up: 200 logins at once, and searches in a room of 100,000 messages.

``python bench/off_the_reactor.py`` starts a daemon of its own. A canary asks for an answer every 2 ms all the while:
how long it waits is how long the reactor was busy.
"""

import json
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twisted_chat.storage.passwords.portal import hashed
from twisted_chat.storage.sqlite.database import Database

MESSAGES = 100_000
SEARCHES = 50
LOGINS = 200
TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
WORDS = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("ato", "eri", "ilu", "ona", "umi", "ase", "ent", "orr", "upe", "ank")]


class Program:
    """A program that asks and waits."""

    def __init__(self, port: int, hello: dict[str, str]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = self.socket.makefile("rb")
        self.ask({"type": "hello", "id": "hello"} | hello)

    def ask(self, request: dict[str, object]) -> None:
        """Send a request."""
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def answer(self, *kinds: str) -> dict[str, object]:
        """The next event of one of these kinds."""
        while True:
            event = json.loads(next(self.lines))
            if event["type"] in kinds:
                return event


def fill(folder: Path) -> None:
    """A log of many messages, and a registered name."""
    database = Database(folder)
    database.claim()
    database.open(MESSAGES)
    dice = random.Random(1)
    now = time.time()
    rows = [
        (seq, now - MESSAGES + seq, "#lobby", "said", f"Person{seq % 50}", " ".join(dice.choices(WORDS, k=10)), None)
        for seq in range(1, MESSAGES + 1)
    ]
    database.commit(rows, None)
    account = ("owner", "Owner", hashed(b"right"), now, "{}", "[]", "[]", "[]", "{}")
    database.write([("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", account)])
    database.close(MESSAGES)


@contextmanager
def canary(port: int, what: str) -> Iterator[None]:
    """Ask all the while, and print how long the answers took."""
    program = Program(port, {"name": f"Canary{len(what)}"})
    program.answer("ok")
    waits: list[float] = []
    ended = threading.Event()

    def sing() -> None:
        while not ended.is_set():
            asked = time.monotonic()
            program.ask({"type": "ping"})
            program.answer("pong")
            waits.append((time.monotonic() - asked) * 1000)
            time.sleep(0.002)

    thread = threading.Thread(target=sing)
    thread.start()
    yield
    ended.set()
    thread.join()
    waits.sort()
    print(
        f"{what}: the canary waited p50 {statistics.median(waits):.2f} ms, p99 {waits[len(waits) * 99 // 100]:.2f} ms,"
        f" at most {waits[-1]:.1f} ms ({len(waits)} times)"
    )


def storm(port: int) -> None:
    """Many logins at once: how they end."""
    programs = [Program(port, {"name": "Owner", "password": "wrong" if n else "right"}) for n in range(LOGINS)]
    ends: dict[str, int] = {}
    for program in programs:
        event = program.answer("welcome", "error")
        end = str(event.get("code", "welcome"))
        ends[end] = ends.get(end, 0) + 1
    print(f"{LOGINS} logins at once ended as {ends}")


def search(port: int) -> None:
    """Searches, one after the other: how long they take."""
    program = Program(port, {"name": "Searcher"})
    program.answer("ok")
    dice = random.Random(2)
    times = []
    for _ in range(SEARCHES):
        asked = time.monotonic()
        program.ask({"type": "line", "text": f"/search {' '.join(dice.sample(WORDS, k=dice.choice((1, 2, 3))))}"})
        assert len(program.answer("found")["events"]) > 0  # type: ignore[arg-type]
        times.append((time.monotonic() - asked) * 1000)
    print(f"{SEARCHES} searches: p50 {statistics.median(times):.1f} ms, at most {max(times):.1f} ms")


def main() -> None:
    """Run it."""
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        command = [*TWISTD, "-n", "--pidfile=", "chat", "--host=127.0.0.1", "--port=0", f"--state={folder}"]
        daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert daemon.stdout is not None
        port = next(int(found[1]) for line in daemon.stdout if (found := re.search(r"listening on 127\.0\.0\.1:(\d+)", line)))
        threading.Thread(target=daemon.stdout.read, daemon=True).start()
        try:
            with canary(port, "nothing else"):
                time.sleep(3)
            with canary(port, "login storm"):
                storm(port)
            with canary(port, "searching"):
                search(port)
        finally:
            daemon.terminate()
            daemon.wait()


if __name__ == "__main__":
    main()
