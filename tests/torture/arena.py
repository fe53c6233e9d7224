"""Where a case takes place: a daemon, a canary, somebody on every door who sees what others are shown; and what must hold.

`Arena.check` looks, after each case, whether all of this is so, by its letters:

A  the canary's p99 is below a quarter of a second, but for what others make it wait (`machine.py`), and none of its messages
   is lost
B  whatever anybody was sent is UTF-8 without controls other than CR LF, DEL, bidi controls or lone surrogates
C  memory is back within 20 MiB of what it was, and was never more than 64 MiB above
D  the log has no traceback, one printable record a line, and has grown by less than 1 KiB a connection
E  no more files and sockets are open than before
F  the daemon is the same process
G  every message with a receipt is in the history once, and each sender's are in their order
H  somebody new can come in and talk
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from daemons import ENVIRONMENT

from torture.case import DROPPED, DROPPED_SILENTLY, IGNORED, KEPT, ORDINARY, USUAL, Case, FellShort, Setup, expect
from torture.doors import DOORS, Door, Heard
from torture.network import Person, fresh_name
from torture.victim import MIB, Victim

ROOM = "#torture"
FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
TROUBLE = re.compile(rb"Traceback|Unhandled|Stumped")
MEMORY_BACK, MEMORY_PEAK = 20.0, 64.0  # MiB above what it was
LOG_BYTES = 1024  # a connection
# How long memory and sockets may take until they are given back, in seconds.
SETTLING = 10.0


@dataclass(frozen=True, slots=True)
class Measure:
    """How things stood when a case began."""

    memory: float
    descriptors: int
    log: int
    seq: int


class CanaryProcess:
    """The canary, seen from here."""

    def __init__(self, victim: Victim, doors: list[str]) -> None:
        folder = str(Path(__file__).parent.parent)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "torture.canary", str(victim.port), str(victim.pid), *doors],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=ENVIRONMENT,
        )
        assert self._process.stdout is not None
        expect(self._process.stdout.readline() == "ready\n", "the canary could not come in")

    def report(self) -> dict[str, float]:
        """What was sent and lost since the last report, and how late the rest came, in seconds."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))

    def end(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.communicate()


class Arena:
    """A daemon under attack."""

    def __init__(self, state: Path, setup: Setup = USUAL, *, canary: bool = True) -> None:
        self.victim = Victim(state, setup)
        self.state = state
        self.people: list[Person] = []  # of the case that is running
        self.connections = 0
        self.witnesses: list[Person] = []
        self.canary: CanaryProcess | None = None
        self.last_report: dict[str, float] = {}
        open_doors = [name for name in DOORS if name not in setup.closed_doors]
        try:
            self.witnesses = [self._witness(DOORS[name]) for name in open_doors]
            if canary:
                self.canary = CanaryProcess(self.victim, open_doors)
        except (FellShort, OSError):
            self.end()
            raise
        self.people.clear()
        self.begun = self.begin()

    def _witness(self, door: Door) -> Person:
        return self.enter(door, fresh_name("Witness"))

    # What cases use

    def connect(self, door: Door, address: str | None = None, *, receive_buffer: int = 0, listens: bool = True) -> Person:
        """A connection, without a name."""
        person = Person(door, self.victim.port, address, receive_buffer=receive_buffer, listens=listens)
        self.people.append(person)
        self.connections += 1
        return person

    def enter(self, door: Door, name: str | None = None, *, room: str = ROOM, password: str | None = None) -> Person:
        """Somebody who has come in, with all that is said and shown about that behind them."""
        person = self.connect(door)
        person.name = name or fresh_name()
        person.send(door.hello(person.name, password, room))
        person.wait_for("", "welcome")
        mark = fresh_name("mark")
        person.say(mark)
        person.wait_for("", "receipt")
        if room == ROOM and self.witnesses:
            self.shown(person.name, mark)
        return person

    def outcome_of_saying(self, door: Door, said: str | bytes) -> str:
        """What becomes of it when somebody new says this in the room."""
        return self.outcome(self.enter(door), door.say(said) if isinstance(said, str) else door.say_bytes(said))

    def outcome_of_naming(self, door: Door, name: str | bytes) -> str:
        """What becomes of it when somebody comes in under this name; refused, they must be able to take another."""
        person = self.connect(door)
        hello = door.hello("\x01", room=ROOM).replace(b"\\u0001", b"\x01")
        before, after = hello.split(b"\x01")
        as_sent = door.hello(name, room=ROOM) if isinstance(name, str) else before + name + after
        # A person's first line is the name; what follows would be a message, were the name refused.
        person.send(b"\n".join(as_sent.split(b"\n")[: door.naming]) + b"\n")
        person.until(lambda: person.closed or any(one.kind in ("welcome", "error") for one in person.heard))
        kinds = [one.kind for one in person.heard]
        if "welcome" in kinds:
            return ORDINARY
        if "error" in kinds:
            person.send(door.hello(fresh_name(), room=ROOM))
            person.wait_for("", "welcome")
            return KEPT
        return DROPPED_SILENTLY if person.closed else IGNORED

    def outcome(self, person: Person, attack: bytes) -> str:
        """What becomes of it when somebody in the room sends these whole lines."""
        heard, seen = len(person.heard), [len(witness.heard) for witness in self.witnesses]
        begun = time.monotonic()
        person.send(attack)
        mark = fresh_name("mark")
        person.say(mark)

        def relayed(witness: Person, since: int) -> list[Heard]:
            return [one for one in witness.heard[since:] if one.author == person.name]

        def over() -> bool:
            pairs = zip(self.witnesses, seen, strict=True)
            return bool(person.closed) or all(any(one.text == mark for one in relayed(*pair)) for pair in pairs)

        expect(person.until(over), f"after {attack[:60]!r} neither the next message came through nor an end: {person.tail()}")
        if person.closed:
            return self.outcome_of_end(person, heard, begun)
        shown = [one for one in relayed(self.witnesses[0], seen[0]) if one.text != mark]
        errors = [one for one in person.heard[heard:] if one.kind == "error"]
        expect(not (errors and shown), f"{attack[:60]!r} was refused, and shown all the same: {shown[:2]}")
        return KEPT if errors else ORDINARY if shown else IGNORED

    def outcome_of_end(self, person: Person, heard: int, begun: float) -> str:
        """Whether a connection that was closed was told why, and within a second. ``heard`` lines had come before."""
        expect(person.closed - begun < 1.0, f"it was closed, but after {person.closed - begun:.1f} s")
        return DROPPED if any(one.kind in ("error", "other") and one.text for one in person.heard[heard:]) else DROPPED_SILENTLY

    def each(self, inputs: Iterable[object], expected: str, act: Callable[..., str]) -> str:
        """The outcomes of all inputs, each of which has to be expected."""
        outcomes = set()
        for one in inputs:
            outcome = act(one)
            expect(outcome in expected, f"{str(one)[:60]!r} came out as {outcome}")
            outcomes.add(outcome)
        return "".join(sorted(outcomes))

    def shown(self, author: str, text: str = "") -> list[str]:
        """What the first witness has been shown of this author's. If a text is given, wait until all have been shown it."""
        for witness in self.witnesses if text else ():
            came = witness.until(lambda w=witness: any(one.author == author and one.text == text for one in w.heard))
            expect(came, f"{witness.name} was not shown {text[:60]!r} by {author}")
        return [one.text for one in self.witnesses[0].heard if one.author == author]

    def part(self, people: Iterable[Person]) -> None:
        """Close these connections, and wait until the daemon has, too."""
        for person in people:
            person.close()
        back = self._settled(lambda: self.victim.descriptors <= self.begun.descriptors)
        expect(back, f"{self.victim.descriptors} files and sockets are open, before it were {self.begun.descriptors}")

    def folder(self) -> Path:
        """A new folder, for a daemon of the case's own."""
        return Path(tempfile.mkdtemp(dir=self.state.parent))

    # What the runner uses

    def begin(self) -> Measure:
        """How things stand before a case."""
        self.victim.peak = self.victim.memory
        self.connections = 0
        rows = self.victim.kept()
        self.begun = Measure(self.victim.memory, self.victim.descriptors, len(self.victim.output), rows[-1][0] if rows else 0)
        if self.canary:
            self.canary.report()
        return self.begun

    def check(self, case: Case, door: Door) -> list[str]:
        """What does not hold after a case, in words that begin with the letter above."""
        problems: list[str] = []
        if "F" in case.checks and not self.victim.alive:
            return [f"F the daemon has ended with status {self.victim.process.poll()}"]
        for letter, look in CHECKS.items():
            if letter in case.checks:
                try:
                    look(self, case, door)
                except FellShort as error:
                    problems.append(f"{letter} {error}")
        return problems

    def tidy(self) -> None:
        """Let the case's people go, and the witnesses forget."""
        for person in self.people:
            person.close()
        self.people.clear()
        for witness in self.witnesses:
            witness.forget()

    def end(self) -> None:
        """Stop everything."""
        if self.canary:
            self.canary.end()
        for person in (*self.people, *self.witnesses):
            person.close()
        if self.victim.alive:
            self.victim.process.kill()
        self.victim.process.wait()

    def _newcomer(self, case: Case, door: Door) -> None:
        people, connections = self.people, self.connections
        self.people = []
        try:
            self.enter(door, fresh_name("New"))
        finally:
            for person in self.people:
                person.close()
            self.people, self.connections = people, connections

    def _canary(self, case: Case, door: Door) -> None:
        assert self.canary is not None
        self.last_report = report = self.canary.report()
        expect(not report["lost"], f"the canary lost {report['lost']:.0f} of {report['sent']:.0f} messages")
        expect(report["p99"] < case.worst, f"the canary's p99 was {report['p99'] * 1000:.0f} ms")

    def _bytes(self, case: Case, door: Door) -> None:
        for person in (*self.people, *self.witnesses):
            try:
                for text in person.door.texts(bytes(person.received)):
                    if found := FORBIDDEN.search(text):
                        raise FellShort(f"{person.name or 'somebody'} was sent {found[0]!r}: {text[:120]!r}")
            except ValueError as error:
                raise FellShort(f"{person.name or 'somebody'} was sent {error}") from None

    def _receipts(self, case: Case, door: Door) -> None:
        on_disk = [(seq, text) for seq, _, _, text in self.victim.kept(self.begun.seq)]
        for person in self.people:
            rows = iter(on_disk)
            for one in person.heard:
                if one.kind == "receipt":
                    found = any(row[0] == one.seq if one.seq else row[1] == one.text for row in rows)
                    which = one.seq or repr(one.text[:60])
                    expect(found, f"{person.name}'s message {which} has a receipt, but is not kept, or not in its order")

    def _settled(self, holds: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + SETTLING
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _descriptors(self, case: Case, door: Door) -> None:
        self.part(self.people)

    def _memory(self, case: Case, door: Door) -> None:
        peak = self.victim.peak - self.begun.memory
        expect(peak < MEMORY_PEAK, f"memory rose by {peak:.0f} MiB")
        back = self._settled(lambda: self.victim.memory - self.begun.memory < MEMORY_BACK)
        expect(back, f"memory stays {self.victim.memory - self.begun.memory:.0f} MiB above what it was")

    def _log(self, case: Case, door: Door) -> None:
        new = bytes(self.victim.output[self.begun.log :])
        if found := TROUBLE.search(new):
            raise FellShort(
                f"the log has {found[0].decode()}: {new[found.start() : found.start() + 1500].decode(errors='replace')}"
            )
        for line in new.decode("utf-8", "surrogateescape").split("\n"):
            expect(not FORBIDDEN.search(line), f"the log has a line that is not printable: {line[:120]!r}")
        most = LOG_BYTES * max(1, self.connections)
        expect(len(new) < most, f"the log has grown by {len(new)} bytes, for {self.connections} connections")


# Somebody new comes in first, while the case's people are still there; files are counted when these have gone.
CHECKS: dict[str, Callable[[Arena, Case, Door], None]] = {
    "H": Arena._newcomer,
    "A": Arena._canary,
    "B": Arena._bytes,
    "G": Arena._receipts,
    "E": Arena._descriptors,
    "C": Arena._memory,
    "D": Arena._log,
}


def megabytes(count: float) -> int:
    """So many MiB, in bytes."""
    return int(count * MIB)
