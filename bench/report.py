"""Results as Markdown that can be read as it stands: one table a scenario."""

import os
import platform
import re
import sqlite3
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import twisted
from bench.figures import DISTURBANCE, LOAD_LIMIT, Figure, Run, disturbed, figure, load_limited, ratio
from bench.scenarios import Scenario
from bench.servers import SERVERS, found

REFERENCE = "chat"
LEGEND = f"""\
Figures are medians of the rounds, with the least and the most in brackets. **L**: the load generator used more than
{LOAD_LIMIT:.0%} of its core, so the rate says nothing about the server. **D**: other programs used more than
{DISTURBANCE:.0%} of a core in the meantime. *CPU* is the server's, user and system, all threads. *vs chat* is the CPU
of this server divided by ours. Latency runs from before the send until after the receive, in the load generator.
Receipts are those of programs. *Served* is what the talkers with the least and with the most got, in percent of an
equal share.

`chat` speaks lines with people. `chat-json` is the same daemon with programs, `chat-web` with browsers, and `chat-irc`
with IRC clients, whose commands are those of the peers. `chat-none` stores nothing. `plain` and `limit` are
`bench/plain.py` and `bench/limit.c`. The peers store nothing, and leave TCP_NODELAY off; with `-nodelay` it is forced
on. Bytes differ with the protocol, so compare rates with some care."""


@dataclass(slots=True)
class Result:
    """What a scenario gave: the runs by case and server, and why others gave nothing."""

    scenario: Scenario
    runs: dict[tuple[str, str], list[Run]] = field(default_factory=dict)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)


def amount(value: float) -> str:
    """Three digits that matter, with M and k."""
    for size, letter in ((1e6, " M"), (1e4, " k")):
        if value >= size:
            return f"{value / (1e6 if letter == ' M' else 1e3):.3g}{letter}"
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def spread(found: Figure | None) -> str:
    """``median (least to most)``; the median alone if that is all."""
    if found is None:
        return ""
    if amount(found.least) == amount(found.most):
        return amount(found.median)
    return f"{amount(found.median)} ({amount(found.least)} to {amount(found.most)})"


def middle(found: Figure | None) -> str:
    """The median alone."""
    return "" if found is None else amount(found.median)


def talking(runs: Sequence[Run], reference: Sequence[Run]) -> list[str]:
    """The cells of a server's row where people talk."""
    marks = " L" * load_limited(runs) + " D" * disturbed(runs)
    times = ratio(runs, reference, "cpu_us")
    ends = [middle(figure(runs, name)) for name in ("fewest", "most")]
    return [
        spread(figure(runs, "rate")) + marks,
        spread(figure(runs, "cpu_us")),
        f"{times:.2f}" if times else "",
        *(spread(figure(runs, name)) for name in ("p50_ms", "p99_ms")),
        *(middle(figure(runs, name)) for name in ("max_ms", "receipt_ms", "bytes", "server", "load")),
        " to ".join(ends),
    ]


def being_there(runs: Sequence[Run], reference: Sequence[Run]) -> list[str]:
    """The cells of a server's row where people come in, and are silent."""
    figures = [figure(runs, name) for name in ("seconds_in", "joins", "kib_each", "server", "load")]
    marks = " D" * disturbed(runs)
    return [spread(figures[0]) + marks, *(spread(found) for found in figures[1:])]


TALKING = [
    *("deliveries/s", "CPU µs each", "vs chat", "p50 ms", "p99 ms", "most ms", "receipt p50 ms", "bytes each"),
    *("server CPU %", "load CPU %", "served %"),
]
BEING_THERE = ["seconds until all are in", "joins/s", "KiB each", "idle CPU %", "load CPU %"]


def faults(runs: Sequence[Run]) -> str:
    """What went wrong: in the first run in which anything did, and in how many."""
    faulty = [run.faults for run in runs if run.faults]
    return f"{faulty[0]}, in {len(faulty)} of {len(runs)} runs" if faulty else "none"


def stalled(runs: Sequence[Run]) -> str:
    """What became of a stalled reader, if there was one."""
    if not any(run.stalled_got or run.stalled_closed for run in runs):
        return ""
    ends = {"was cut off" if run.stalled_closed else f"then read {100 * run.stalled_got / run.sent:.1f} %" for run in runs}
    return ", stalled reader " + " / ".join(sorted(ends))


def table(result: Result) -> str:
    """A scenario's table."""
    talks = any(case.talkers for case in result.scenario.cases)
    cells: Callable[[Sequence[Run], Sequence[Run]], list[str]] = talking if talks else being_there
    named = any(case.name for case in result.scenario.cases)
    rows = [["case"] * named + ["server", *(TALKING if talks else BEING_THERE), "faults"]]
    for case in result.scenario.cases:
        reference = result.runs.get((case.name, REFERENCE), [])
        for server in result.scenario.servers:
            runs = result.runs.get((case.name, server))
            failure = result.failures.get((case.name, server))
            if runs:
                told = faults(runs) + stalled(runs) + (f"; failed once: {failure}" if failure else "")
                row = [*cells(runs, reference), told]
            elif failure:
                row = [""] * len(TALKING if talks else BEING_THERE) + [failure]
            else:
                continue
            rows.append([case.name] * named + [server, *row])
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table whose columns are aligned, and empty columns left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    padded = [[f"{cell:{width}}" for cell in column] for column, width in zip(columns, widths, strict=True)]
    lines = [f"| {' | '.join(row)} |" for row in zip(*padded, strict=True)]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def version(program: str) -> str:
    """What an installed server calls itself."""
    path = found(program)
    if path is None:
        return f"{program} (missing)"
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    return re.split(r"[\n]|-IDENT", shown)[0].strip() or program


def machine() -> str:
    """Where and with what it was measured."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    peers = ", ".join(version(program) for program in sorted({server.program for server in SERVERS.values() if server.program}))
    return (
        f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores; Linux {platform.release()};"
        f" Python {platform.python_version()}, Twisted {twisted.__version__}, SQLite {sqlite3.sqlite_version}; {peers}."
    )


def document(results: Mapping[str, Result], rounds: int, seconds: float, *, picture: bool) -> str:
    """All tables, with what one has to know to read them."""
    parts = [
        "# Benchmarks",
        f"`python -m bench --write` made this page: {rounds} interleaved rounds of {seconds:g} s. {machine()}",
        *(["![CPU time a delivery](benchmarks.svg)"] if picture else []),
        LEGEND,
    ]
    for key, result in results.items():
        parts += [f"## ({key}) {result.scenario.title}", table(result)]
    return "\n\n".join(parts) + "\n"
