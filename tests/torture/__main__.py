"""One command: ``python tests/torture [--long] [--door DOOR,...] [CASE ...]``. Its status is not 0 if anything falls short."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:1] = [str(TESTS), str(TESTS / "support")]  # this folder is the package `torture`, not a heap of modules

from torture import rounds  # noqa: E402
from torture.case import FellShort  # noqa: E402
from torture.doors import DOORS  # noqa: E402
from torture.run import WITHOUT, Row, Runner, all_cases  # noqa: E402

TITLE = f"{'case':5} {'door':5} {'expected':8} {'outcome':8} {'canary':>9} {'memory':>9} {'seconds':>8}  what"


def text_of(row: Row) -> str:
    """A row of the table, with what fell short below it."""
    case = row.case
    line = f"{case.number:5} {row.door:5} {case.expected:8} {row.outcome or '-':8} {row.worst * 1000:6.0f} ms"
    line += f" {row.peak:5.1f} MiB {row.seconds:8.1f}  {'ok  ' if row.passed else 'FELL SHORT: '}{case.what}"
    return "\n".join([line, *(f"        {problem}" for problem in row.problems)])


def many_rounds(kills: int, power_cuts: int, full_disks: int) -> int:
    """Run the rounds that were asked for."""
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        try:
            if kills:
                rounds.kill_rounds(kills, Path(folder) / "kills")
            if power_cuts:
                rounds.kill_rounds(power_cuts, Path(folder) / "power", power=True)
            if full_disks:
                rounds.disk_rounds(full_disks, Path(folder) / "disk")
        except FellShort as error:
            print(f"FELL SHORT: {error}")
            return 1
    print("0 receipted messages lost, 0 doubled, 0 numbers used twice, and senders were told of each that was not kept")
    return 0


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python tests/torture", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="numbers of cases (T17) or subjects (framing); all, if none")
    parser.add_argument("--long", action="store_true", help="also the cases that take minutes")
    parser.add_argument("--door", default=",".join(DOORS), help="the doors to try, apart by commas")
    parser.add_argument(
        "--kills", type=int, default=0, metavar="N", help="instead: kill the daemon so many times while it writes"
    )
    parser.add_argument(
        "--power-cuts", type=int, default=0, metavar="N", help="instead: the same, and what was not flushed is lost"
    )
    parser.add_argument("--full-disks", type=int, default=0, metavar="N", help="instead: let its disk be full so many times")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all is tidied up
    if options.kills or options.power_cuts or options.full_disks:
        return many_rounds(options.kills, options.power_cuts, options.full_disks)
    wanted = {name.lower() for name in options.cases}
    cases = [one for one in all_cases() if not wanted or {one.number.lower(), one.subject} & wanted]
    left_out = 0
    rows: list[Row] = []
    runner = Runner()
    print(TITLE, flush=True)
    try:
        for case in cases:
            if case.long and not options.long and case.number.lower() not in wanted:
                left_out += 1
                continue
            for door in options.door.split(","):
                if case.applies(door):
                    rows.append(runner.run(case, door))
                    print(text_of(rows[-1]), flush=True)
    finally:
        runner.close()
    short = [row for row in rows if not row.passed]
    print(f"{len(rows)} run, {len(rows) - len(short)} ok, {len(short)} fell short; {left_out} cases are for --long")
    for case in cases:
        for door, why in case.not_on.items():
            print(f"{case.number} is not on {door}: {why}")
    for numbers, why in WITHOUT.items():
        print(f"no case for {numbers}: {why}")
    for row in short:
        print(f"fell short: {row.case.number} {row.door}: {row.problems[0][:150]}")
    return 1 if short or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
