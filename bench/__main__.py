"""``python -m bench``: measure, and print the tables. With ``--write`` they go to docs/, with a picture."""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.measure import Failed, build, cores, run
from bench.picture import svg
from bench.report import Result, document, table
from bench.scenarios import SCENARIOS, Scenario
from bench.servers import BENCH, SERVERS

DOCS = BENCH.parent / "docs"


def chosen(known: Iterable[str], what: str) -> "argparse._ActionType":
    """Reads a comma-separated choice."""

    def read(words: str) -> list[str]:
        names = words.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"there is no {what} {', '.join(unknown)}, only {', '.join(known)}")
        return names

    return read


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the chat side by side with others.")
    parser.add_argument("--scenario", type=chosen(SCENARIOS, "scenario"), default=list(SCENARIOS), help="as a,c; default: all")
    parser.add_argument("--servers", type=chosen(SERVERS, "server"), default=list(SERVERS), help="as chat,ngircd; default: all")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--seconds", type=float, default=2.0, help="measured in each run; default: 2")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and docs/benchmarks.svg")
    return parser.parse_args(arguments)


def measure(scenario: Scenario, servers: Sequence[str], rounds: int, seconds: float, folder: Path) -> Result:
    """Every server in turn, again and again."""
    result = Result(scenario)
    for _ in range(1 if scenario.once else rounds):
        for case in scenario.cases:
            for name in scenario.servers:
                place = (case.name, name)
                if name not in servers:
                    continue
                if SERVERS[name].missing:
                    result.failures[place] = f"{SERVERS[name].program} is not installed"
                    continue
                try:
                    result.runs.setdefault(place, []).append(run(SERVERS[name], case, folder, seconds))
                except Failed as failure:
                    result.failures[place] = str(failure)
    return result


def main() -> None:
    """Run it."""
    asked = options(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: stopped"))  # so that no server is left behind
    print(f"load average: {os.getloadavg()[0]:.2f}", flush=True)
    begun = time.monotonic()
    results = {}
    try:
        cores()
        with tempfile.TemporaryDirectory() as folder:
            build(Path(folder))
            for key in asked.scenario:
                results[key] = measure(SCENARIOS[key], asked.servers, asked.rounds, asked.seconds, Path(folder))
                print(f"\n({key}) {SCENARIOS[key].title}\n\n{table(results[key])}", flush=True)
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    if asked.write:
        (DOCS / "benchmarks.svg").write_text(svg(results), "utf-8")
        (DOCS / "benchmarks.md").write_text(document(results, asked.rounds, asked.seconds, picture=True), "utf-8")
    print(f"\n{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
