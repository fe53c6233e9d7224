"""What a case is, and how one is declared.

1. A case has a number (that of the list of bad inputs and faults), says what it does, and which outcome it must have.
2. Its function drives the attack and returns the outcome it saw, as one letter; what else is wrong it says by raising
   `FellShort`. What must hold after *every* case (`arena.Arena.check`) no case needs to look at.
3. A case runs on every door but those for which it says why it does not: see `not_on`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import stack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torture.arena import Arena
    from torture.doors import Door

# The outcomes. A case may allow several: "KO".
KEPT = "K"  # a clear one-line error, and the connection is kept
DROPPED = "D"  # a reason of one line, then the end
ORDINARY = "O"  # it works
IGNORED = "I"  # nothing is said about it, and nobody is shown it
DROPPED_SILENTLY = "d"  # the end, without a word: never what is wanted

# What is checked after a case; see `Arena.check`.
ALL = "ABCDEFGH"

Run = Callable[["Arena", "Door"], str]


class FellShort(AssertionError):
    """What was seen instead of what must be."""


def expect(holds: object, otherwise: str) -> None:
    """Raises `FellShort` unless it holds."""
    if not holds:
        raise FellShort(otherwise)


@dataclass(frozen=True, slots=True)
class Setup:
    """A daemon that is not the usual one: its options, a program that runs it, and what is preloaded into it."""

    options: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    preload: str = ""  # see `preload.library`; `Victim.control` is the file that tells it what to do
    closed_doors: tuple[str, ...] = ()  # where nobody can come in


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table, but for its door."""

    number: str
    what: str
    expected: str
    run: Run
    subject: str
    not_on: Mapping[str, str] = field(default_factory=dict)  # doors, and why
    long: bool = False  # only in the long form
    setup: Setup | None = None  # a daemon of its own
    checks: str = ALL
    worst: float = 0.25  # what the canary's p99 may be at the most, in seconds

    def applies(self, door: str) -> bool:
        """Whether it is about this door."""
        return door not in self.not_on


# Receipts for everybody: so that what a person has said can be held against what is kept.
USUAL = Setup(options=("--receipts=always",))

CASES: list[Case] = []

# Why a case is not on a door, where it is so for several.
NOWHERE: Mapping[str, str] = {}
NO_TELNET = dict.fromkeys(("json", "irc", "web"), "programs speak no telnet") | {"ssh": "there is none inside it"}
NOT_IRC = {
    "irc": "its lines have 512 bytes, whose spaces and colons part words, and it says in numbers what others say in a sentence:"
    " see tests/protocols/irc/test_irc_talking.py"
}
ENDED_BY_BYTES = {
    "web": "a message that is not UTF-8 ends a WebSocket (RFC 6455, 8.1): see tests/protocols/web/test_web_socket.py"
}
FIRST_WORDS = dict.fromkeys(("json", "irc", "ssh", "web"), "what is said first decides which door it is")
ABOUT_THE_DISK = dict.fromkeys(
    ("line", "tls", "irc", "ssh", "web"), "the disk does not know through which door it came: programs can tell most"
)


def case(
    number: str,
    what: str,
    expected: str,
    *,
    not_on: Mapping[str, str] = NOWHERE,
    long: bool = False,
    setup: Setup | None = None,
    checks: str = ALL,
    worst: float = 0.25,
) -> Callable[[Run], Run]:
    """Declare the decorated function as a case."""

    def declare(run: Run) -> Run:
        subject = run.__module__.rpartition(".")[2]
        CASES.append(Case(number, what, expected, run, subject, not_on, long, setup, checks, worst))
        return run

    return declare


def sends(number: str, what: str, expected: str, *inputs: str | bytes, not_on: Mapping[str, str] = NOWHERE) -> None:
    """Declare a case that says each of these, from somebody new each time: `bytes` as they are, `str` as a client would.

    All have to have the expected outcome; what the others are shown is checked as after every case.
    """

    def run(arena: Arena, door: Door) -> str:
        return arena.each(inputs, expected, lambda one: arena.outcome_of_saying(door, one))

    run.__module__ = str(stack()[1].frame.f_globals["__name__"])
    case(number, what, expected, not_on=not_on)(run)
