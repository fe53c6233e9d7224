"""Many short lives of one log: the daemon is killed, or its disk is full, while several people write; then all is checked.

``python tests/torture --kills 1000`` and ``--full-disks 100``. Programs send again what had no receipt when they come back.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from torture.case import USUAL, Setup, expect
from torture.checker import Life, Message, check
from torture.doors import DOORS, Heard
from torture.network import PATIENCE, Person
from torture.victim import Victim, kept

ROOM = "#rounds"
BAD_DISK = Setup(options=USUAL.options, preload="bad_disk")
# How many messages a writer says in a life, with those that are said again: less than flood control lets through at once.
BURST = {"json": 120, "web": 120, "line": 30, "tls": 30, "ssh": 30, "irc": 25}


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

    @property
    def to_say_again(self) -> list[int]:
        """What had no receipt, and can be said again without being there twice."""
        return self.open if DOORS[self.door].dialect == "json" else []

    def write(self, life: Life, count: int) -> None:
        """Say what had no receipt once more, if that can be done, and then so many new messages."""
        assert self.person is not None
        again = self.to_say_again
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
                number = int((one.id if DOORS[self.door].dialect == "json" else one.text).rpartition(":")[2])
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
        if DOORS[self.door].dialect == "json":
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


def kill_rounds(rounds: int, state: Path, seed: int = 0, *, power: bool = False) -> None:
    """Kill the daemon so many times while it writes. Raises `FellShort` if a rule is breached, over all lives.

    Where it is the ``power`` that fails, what was not flushed is lost as well.
    """
    chance = random.Random(seed)
    everybody, lives = writers(), []
    slowest = 0.0
    for number in range(1, rounds + 1):
        begun = time.monotonic()
        victim = Victim(state, BAD_DISK if power else USUAL)
        slowest = max(slowest, time.monotonic() - begun)
        lives.append(_killed_life(victim, everybody, everybody[number % len(everybody)], chance))
        if power:
            lose_what_was_not_flushed(state)
        if number % 100 == 0 or number == rounds:
            history = history_of(state)
            breaches = check(lives, history)
            receipts = sum(len(life.receipts) for life in lives)
            print(f"{number} kills: {receipts} receipts, {len(history)} kept, slowest start {slowest:.2f} s", flush=True)
            expect(not breaches, f"by round {number}: " + "; ".join(breaches[:5]))


def lose_what_was_not_flushed(state: Path) -> None:
    """Leave of the database what a power failure would. See bad_disk.c."""
    for name in ("chat.db", "chat.db-wal"):
        if (state / f"{name}.disk").exists():
            shutil.copy(state / f"{name}.disk", state / name)
        else:
            (state / name).unlink(missing_ok=True)
    (state / "chat.db-shm").unlink(missing_ok=True)


def _killed_life(victim: Victim, everybody: list[Writer], first: Writer, chance: random.Random) -> Life:
    """Let everybody write, and kill the daemon some milliseconds after one of them has had a random number of receipts."""
    life = Life()
    readers = read_along(victim.port)
    for writer in everybody:
        writer.enter(victim.port)
    for writer in everybody:
        writer.write(life, max(1, BURST[writer.door] - len(writer.to_say_again)))
    wanted = chance.randrange(1, len(first.open) + 1)
    expect(readers[0].until(lambda: first.words() >= wanted), f"{first.name} had {first.words()} receipts of {wanted}")
    time.sleep(chance.random() * 0.01)  # anywhere between this receipt and the next
    victim.end(signal.SIGKILL)
    _part(life, everybody, readers)
    return life


def _part(life: Life, everybody: list[Writer], readers: list[Person]) -> None:
    """The daemon has ended: note what everybody was sent until then."""
    people = [*readers, *(writer.person for writer in everybody if writer.person)]
    expect(readers[0].until(lambda: all(person.closed for person in people)), "a connection to a dead daemon is open")
    for writer in everybody:
        writer.settle(life)
    life.shown = {reader.name: shown_to(reader) for reader in readers}
    for person in people:
        person.close()


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of so many bytes. Needs to be root."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


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


def disk_rounds(rounds: int, folder: Path, seed: int = 0) -> None:
    """Let the disk be full so many times while people write; every tenth time the daemon is killed meanwhile.

    Raises `FellShort` if a rule is breached.
    """
    chance = random.Random(seed)
    lives: list[Life] = []
    everybody = writers()
    with small_disk(folder, 96 * 1024 * 1024) as disk:
        for number in range(0, rounds, 10):
            lives.append(_life_with_full_disks(Victim(disk / "state"), everybody, disk, min(10, rounds - number), chance))
            told, receipts = (sum(map(len, which)) for which in zip(*((one.lost, one.receipts) for one in lives), strict=True))
            print(f"{min(number + 10, rounds)} full disks: {receipts} receipts, {told} told that it was not kept", flush=True)
            breaches = check(lives, history_of(disk / "state"))
            expect(not breaches, f"by round {number + 10}: " + "; ".join(breaches[:5]))


def _life_with_full_disks(victim: Victim, everybody: list[Writer], disk: Path, rounds: int, chance: random.Random) -> Life:
    """So many full disks in one life; if they are ten, the daemon is killed during the last."""
    life = Life()
    readers = read_along(victim.port)
    for writer in everybody:
        writer.enter(victim.port)
    for number in range(rounds):
        _write_and_wait(everybody, life, chance)
        filler = fill(disk)
        for _ in range(3):
            _write_and_wait(everybody, life, chance)
        if number == 9:
            for writer in everybody:
                writer.write(life, 3)
            victim.end(signal.SIGKILL)
        filler.unlink()
        if victim.alive:
            _until_kept(everybody, life, chance)
    if victim.alive:
        life.settled = {writer.name for writer in everybody}
        victim.end(signal.SIGTERM)
    _part(life, everybody, readers)
    return life


def _write_and_wait(everybody: list[Writer], life: Life, chance: random.Random) -> None:
    """Let everybody say something, and wait until they are told what became of it."""
    for writer in everybody:
        writer.write(life, chance.randrange(1, 6))
    first = everybody[0].person
    assert first is not None
    first.until(lambda: all(writer.told_of_all() for writer in everybody), PATIENCE)
    silent = [writer.name for writer in everybody if not writer.told_of_all()]
    expect(not silent, f"{', '.join(silent)} were not told what became of their messages")
    for writer in everybody:
        writer.settle(life)


def _until_kept(everybody: list[Writer], life: Life, chance: random.Random) -> None:
    """Write until all of it is kept again."""
    deadline = time.monotonic() + PATIENCE
    lost = -1
    while lost != len(life.lost):
        expect(time.monotonic() < deadline, "there is room again, and still not all is kept")
        lost = len(life.lost)
        _write_and_wait(everybody, life, chance)
