"""Runs cases: one arena serves many, and a new one is set up where a case needs its own, or has broken the last."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from torture.arena import Arena
from torture.case import CASES, USUAL, Case, FellShort
from torture.doors import DOORS

SUBJECTS = ("framing", "encodings", "telnet", "terminals", "names", "state", "load", "faults", "logins", "sessions", "web")

# Of the list of bad inputs and faults, what has no case, and why.
WITHOUT = {
    "T98": "there is one server, not several",
}


def all_cases() -> list[Case]:
    """Every case there is, by its number."""
    for subject in SUBJECTS:
        import_module(f"torture.{subject}")
    return sorted(CASES, key=lambda one: (int(one.number[1:].rstrip("abcdef")), one.number))


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a case on a door."""

    case: Case
    door: str
    outcome: str
    problems: Sequence[str]
    worst: float  # the canary's, in seconds
    peak: float  # MiB above what was used before
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether nothing fell short."""
        return not self.problems


class Runner:
    """Holds the arena that cases share."""

    def __init__(self) -> None:
        self._arena: Arena | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="torture-"))
        self._count = 0

    def run(self, case: Case, door: str) -> Row:
        """Run a case on a door."""
        begun = time.monotonic()
        outcome, problems = "", []
        arena: Arena | None = None
        try:
            arena = self._set_up(case)
            arena.begin()
            outcome = case.run(arena, DOORS[door])
            if not set(outcome) <= set(case.expected):
                problems.append(f"the outcome was {outcome}, not {case.expected}")
        except (FellShort, OSError) as error:
            problems.append(str(error) or repr(error))
        worst = peak = 0.0
        if arena is not None:
            problems += arena.check(case, DOORS[door])
            worst, peak = arena.last_report.get("worst", 0.0), max(0.0, arena.victim.peak - arena.begun.memory)
            arena.tidy()
            if case.setup is not None or problems:
                self._tear_down(arena)
        return Row(case, door, outcome, problems, worst, peak, time.monotonic() - begun)

    def close(self) -> None:
        """Stop everything, and leave nothing."""
        if self._arena is not None:
            self._tear_down(self._arena)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _set_up(self, case: Case) -> Arena:
        if case.setup is None and self._arena is not None:
            return self._arena
        self._count += 1
        arena = Arena(self._folder / str(self._count), case.setup or USUAL)
        if case.setup is None:
            self._arena = arena
        return arena

    def _tear_down(self, arena: Arena) -> None:
        arena.end()
        if arena is self._arena:
            self._arena = None
