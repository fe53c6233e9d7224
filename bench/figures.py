"""What the load measured, as figures: medians and spread of several runs, and what a rate is worth."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from statistics import median

# Above this part of its core the load, and not the server, may have been what a rate was limited by.
LOAD_LIMIT = 0.85
# Above this part of one core, other programs disturb what is measured.
DISTURBANCE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run's numbers, by the names under which the load prints them. ``window`` and the CPU times are in seconds."""

    people: int
    window: float
    seconds_in: float
    base_kib: int
    memory_kib: int
    most_kib: int
    sent: int
    deliveries: int
    bytes: int
    receipts: int
    lost: int
    doubled: int
    disordered: int
    closed: int
    strays: int
    stray: str
    latency_p50_ns: int
    latency_p99_ns: int
    latency_max_ns: int
    receipt_p50_ns: int
    receipt_p99_ns: int
    receipt_max_ns: int
    talkers: int
    served: int
    fewest: int
    most: int
    stalled_got: int
    stalled_closed: int
    server_cpu: float
    load_cpu: float
    others_cpu: float
    came_in: int

    @property
    def faults(self) -> str:
        """What went wrong, in words; empty if nothing did."""
        kinds = (
            (self.lost, "lost"),
            (self.doubled, "doubled"),
            (self.disordered, "out of order"),
            (self.closed, "cut off"),
            (self.strays, f"other lines (“{self.stray[:60]}”)"),
            (self.people - self.came_in, "not in"),
        )
        return ", ".join(f"{count:,} {what}" for count, what in kinds if count)


def parse(line: str) -> Run:
    """A run from the load's JSON. Raises `ValueError` if that is not what it is."""
    numbers = json.loads(line)
    if not isinstance(numbers, dict):
        raise ValueError(f"not a run: {line!r}")
    numbers["came_in"] = numbers.pop("in", None)
    names = {field.name for field in fields(Run)}
    if set(numbers) != names or None in numbers.values():
        raise ValueError(f"not a run: {sorted(set(numbers) ^ names)}")
    return Run(**numbers)


def per_delivery(run: Run, amount: float) -> float | None:
    """An amount, a delivery; None if there was none."""
    return amount / run.deliveries if run.deliveries else None


def milliseconds(ns: int) -> float | None:
    """Nanoseconds in ms; None for what was not measured."""
    return ns / 1e6 if ns else None


def share(run: Run, served: int) -> float | None:
    """What one talker got, in percent of an equal share; None if nobody got anything."""
    return 100 * served * run.talkers / run.served if run.served else None


# Figures of a run that can be compared. None: it has no such figure.
FIGURES: dict[str, Callable[[Run], float | None]] = {
    "rate": lambda run: run.deliveries / run.window if run.deliveries else None,
    "cpu_us": lambda run: per_delivery(run, run.server_cpu * 1e6),
    "bytes": lambda run: per_delivery(run, run.bytes),
    "p50_ms": lambda run: milliseconds(run.latency_p50_ns),
    "p99_ms": lambda run: milliseconds(run.latency_p99_ns),
    "max_ms": lambda run: milliseconds(run.latency_max_ns),
    "receipt_ms": lambda run: milliseconds(run.receipt_p50_ns),
    "fewest": lambda run: share(run, run.fewest),
    "most": lambda run: share(run, run.most),
    "joins": lambda run: run.came_in / run.seconds_in,
    "seconds_in": lambda run: run.seconds_in,
    "kib_each": lambda run: (run.memory_kib - run.base_kib) / run.came_in if run.came_in else None,
    "server": lambda run: 100 * run.server_cpu / run.window,
    "load": lambda run: 100 * run.load_cpu / run.window,
    "others": lambda run: 100 * run.others_cpu / run.window,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of some runs, and the ends of their spread."""

    median: float
    least: float
    most: float


def figure(runs: Sequence[Run], name: str) -> Figure | None:
    """One of `FIGURES` over runs of the same load; None if none has it."""
    values = [value for value in map(FIGURES[name], runs) if value is not None]
    return Figure(median(values), min(values), max(values)) if values else None


def load_limited(runs: Sequence[Run]) -> bool:
    """Whether the load was at its own limit, so that the rates say nothing about the server."""
    load = figure(runs, "load")
    return load is not None and load.median > 100 * LOAD_LIMIT


def disturbed(runs: Sequence[Run]) -> bool:
    """Whether other programs took so much of the machine that the figures are doubtful."""
    others = figure(runs, "others")
    return others is not None and others.median > 100 * DISTURBANCE


def ratio(runs: Sequence[Run], reference: Sequence[Run], name: str) -> float | None:
    """How many times as much as another server's one of `FIGURES` is, median to median."""
    ours, theirs = figure(runs, name), figure(reference, name)
    return ours.median / theirs.median if ours and theirs and theirs.median else None
