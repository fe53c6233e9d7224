"""Many short lives of one log: the daemon is killed, or its disk is full, while several people write; then all is checked.

``python tests/torture --kills 1000`` and ``--full-disks 100``. Programs send again what had no receipt when they come back.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from torture.case import FellShort, Setup, expect
from torture.checker import Life, Message, check
from torture.doors import DOORS, Heard
from torture.network import PATIENCE, Person
from torture.victim import Victim, kept

ROOM = "#rounds"
ALWAYS = Setup(options=("--receipts=always",))
# How many messages a writer says in a life, with those that are said again: less than flood control lets through at once.
BURST = {"json": 120, "line": 30}


def message_of(text: str) -> Message | None:
    """The message that a text is: ``Al:17``. None if it is something else."""
    client, _, count = text.rpartition(":")
    return (client, int(count)) if client and count.isdigit() else None


@dataclass
class Writer:
    """Somebody who says one message after the other, in all lives."""

    name: str
    door: str
    said: int = 0
    open: list[int] = field(default_factory=list)  # without a receipt so far
    person: Person | None = None
    _read: int = 0  # of what it heard
    _sent: int = 0  # messages in this life

    def enter(self, port: int) -> None:
        """Come in."""
        door = DOORS[self.door]
        self.person = Person(door, port)
        self.person.name = self.name
        self.person.send(door.hello(self.name, room=ROOM, client=f"secret of {self.name}"))
        self.person.wait_for("", "welcome")
        self._read = self._sent = 0

    def write(self, life: Life, count: int) -> None:
        """Say what had no receipt once more, if that can be done, and then so many new messages."""
        assert self.person is not None
        again = self.open if self.door == "json" else []
        new = list(range(self.said, self.said + count))
        self.said += count
        self.open = [*again, *new]
        self._sent += len(self.open)
        life.sent.extend((self.name, number) for number in self.open)
        self.person.send(b"".join(self._line(number, number in again) for number in self.open))

    def settle(self, life: Life) -> None:
        """Note what it was told of its messages."""
        assert self.person is not None
        heard = self.person.heard
        for one in heard[self._read :]:
            if one.kind in ("receipt", "lost"):
                number = int((one.id if self.door == "json" else one.text).rpartition(":")[2])
                self.open = [other for other in self.open if other != number]
                if one.kind == "receipt":
                    life.receipts.append(((self.name, number), one.seq))
                else:
                    life.lost.append((self.name, number))
        self._read = len(heard)

    def words(self) -> int:
        """Of how many messages it was told in this life what became of them."""
        assert self.person is not None
        return sum(one.kind in ("receipt", "lost") for one in self.person.heard)

    def told_of_all(self) -> bool:
        """Whether there is a word on each message that it has sent in this life."""
        return self.words() >= self._sent

    def _line(self, number: int, again: bool) -> bytes:
        text = f"{self.name}:{number}"
        if self.door == "json":
            request = {"type": "say", "id": text, "text": text} | ({"again": True} if again else {})
            return json.dumps(request).encode() + b"\n"
        return DOORS[self.door].say(text)


def shown_to(person: Person) -> list[tuple[Message, int]]:
    """The messages that a reader was shown as they were said."""
    said: list[Heard] = [one for one in person.heard if one.kind == "said"]
    return [(message, one.seq) for one in said if (message := message_of(one.text))]


def read_along(port: int) -> list[Person]:
    """Somebody on every door who reads the room."""
    readers = []
    for door in DOORS.values():
        reader = Person(door, port)
        reader.name = f"Reader-{door.name}"
        reader.send(door.hello(reader.name, room=ROOM))
        reader.wait_for("", "welcome")
        readers.append(reader)
    return readers


def history_of(state: Path) -> list[tuple[int, Message]]:
    """What is on disk."""
    return [(seq, message) for seq, room, _, text in kept(state) if room == ROOM and (message := message_of(text))]


def writers() -> list[Writer]:
    """A few writers on each door."""
    return [Writer(f"{stem}-{door}", door) for door in DOORS for stem in ("Al", "Bo", "Cy")]


def kill_rounds(rounds: int, state: Path, seed: int = 0) -> list[str]:
    """Kill the daemon so many times while it writes. What breaches a rule, over all lives; raises `FellShort` at the first.

    Each life ends some milliseconds after a random number of receipts: at a random moment of the writing.
    """
    chance = random.Random(seed)  # noqa: S311
    everybody, lives = writers(), []
    slowest = 0.0
    for number in range(rounds):
        begun = time.monotonic()
        victim = Victim(state, ALWAYS)
        slowest = max(slowest, time.monotonic() - begun)
        life = Life()
        lives.append(life)
        readers = read_along(victim.port)
        for writer in everybody:
            writer.enter(victim.port)
        for writer in everybody:
            writer.write(life, max(1, BURST[writer.door] - (len(writer.open) if writer.door == "json" else 0)))
        first = everybody[number % len(everybody)]
        wanted = chance.randrange(1, len(first.open) + 1)
        expect(readers[0].until(lambda: first.words() >= wanted), f"round {number}: {first.words()} receipts of {wanted}")
        time.sleep(chance.random() * 0.01)  # anywhere between this receipt and the next
        victim.end(signal.SIGKILL)
        people = [*readers, *(writer.person for writer in everybody if writer.person)]
        expect(readers[0].until(lambda: all(person.closed for person in people)), "a dead daemon's connection is open")
        for writer in everybody:
            writer.settle(life)
        life.shown = {reader.name: shown_to(reader) for reader in readers}
        for person in people:
            person.close()
        on_disk = dict(history_of(state)) if number % 100 == 99 or number == rounds - 1 else {}
        breaches = check(lives, list(on_disk.items())) if on_disk else []
        if breaches:
            raise FellShort(f"round {number}: " + "; ".join(breaches[:5]))
        if on_disk:
            receipted = sum(len(one.receipts) for one in lives)
            print(
                f"{number + 1} kills: {len(on_disk)} messages kept, {receipted} receipts, slowest start {slowest:.2f} s",
                flush=True,
            )
    return []


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of so many bytes. Needs to be root."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)  # noqa: S607
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)  # noqa: S607


def fill(folder: Path) -> Path:
    """Fill a file system to the last byte."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        piece = b"\0" * 65536
        while piece:
            try:
                file.write(piece)
            except OSError:
                piece = piece[: len(piece) // 2]
    return filler


def disk_rounds(rounds: int, folder: Path, seed: int = 0) -> list[str]:
    """Let the disk be full so many times while people write; every tenth time the daemon is killed meanwhile."""
    chance = random.Random(seed)  # noqa: S311
    lives: list[Life] = []
    everybody = writers()
    number = 0
    with small_disk(folder, 96 * 1024 * 1024) as disk:
        state = disk / "state"
        while number < rounds:
            victim = Victim(state, ALWAYS)
            life = Life()
            lives.append(life)
            readers = read_along(victim.port)
            for writer in everybody:
                writer.enter(victim.port)
            for turn in range(10):
                number += 1
                _disk_round(everybody, life, disk, chance, killed=turn == 9, victim=victim)
                if number == rounds:
                    break
            if victim.alive:
                victim.end(signal.SIGTERM)
            people = [*readers, *(writer.person for writer in everybody if writer.person)]
            readers[0].until(lambda: all(person.closed for person in people))
            for writer in everybody:
                writer.settle(life)
            life.shown = {reader.name: shown_to(reader) for reader in readers}
            for person in people:
                person.close()
            breaches = check(lives, history_of(state))
            told, receipted = (sum(map(len, which)) for which in ((one.lost for one in lives), (one.receipts for one in lives)))
            print(f"{number} full disks: {receipted} receipts, {told} told that it was not kept", flush=True)
            if breaches:
                raise FellShort(f"by round {number}: " + "; ".join(breaches[:5]))
    return []


def _disk_round(
    everybody: list[Writer], life: Life, disk: Path, chance: random.Random, *, killed: bool, victim: Victim
) -> None:
    """Write, fill the disk, write on, and make room again."""

    def write_and_wait() -> None:
        for writer in everybody:
            writer.write(life, chance.randrange(1, 6))
        first = everybody[0].person
        assert first is not None
        done = first.until(lambda: all(writer.told_of_all() for writer in everybody), PATIENCE)
        silent = [writer.name for writer in everybody if not writer.told_of_all()]
        expect(done, f"{', '.join(silent)} were not told what became of their messages")
        for writer in everybody:
            writer.settle(life)
            writer.open = []

    write_and_wait()
    filler = fill(disk)
    for _ in range(3):
        write_and_wait()
    if killed:
        for writer in everybody:
            writer.write(life, 3)
        victim.end(signal.SIGKILL)
        filler.unlink()
        return
    filler.unlink()
    deadline = time.monotonic() + PATIENCE
    lost = -1
    while lost != len(life.lost):
        expect(time.monotonic() < deadline, "there is room again, and still nothing is kept")
        lost = len(life.lost)
        write_and_wait()


def root() -> bool:
    """Whether file systems may be mounted."""
    return os.geteuid() == 0
