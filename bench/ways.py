"""What encryption costs: people who come in inside TLS and by SSH, against those in clear text.

``python -m bench.ways [--people 200] [--seconds 1] [--rate 20] [--rounds 3] [--ways line,tls]`` starts daemons of its
own, and takes the ways in turn.

1. A load that encrypts costs as much as the server, and this one is Python: what is counted is the server's CPU time.
2. While that is measured, bytes are only taken. They are decrypted, and every message looked for, afterwards.
3. All ways have the same to do: what ten people say at once is encrypted before any of it is sent, and they go on when the
   last reader has been told. So the server's batches don't depend on how long the load encrypts.
"""

import argparse
import os
import resource
import selectors
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median

from bench.__main__ import chosen
from bench.figures import Figure
from bench.idle import cpu, memory
from bench.measure import cores, running, wait_until_at_rest
from bench.people import PATIENCE, PAYLOAD, WAYS, InClear
from bench.report import aligned, spread
from bench.servers import SERVERS

# As in scenarios (a) and (b): ten talk, and each has 32 lines under way.
TALKERS = 10
BURST = TALKERS * 32
REFERENCE = "line"


@dataclass(slots=True)
class Faults:
    """Deliveries that were not as they have to be."""

    lost: int = 0
    doubled: int = 0
    disordered: int = 0

    def look(self, due: Sequence[int], told: Sequence[int]) -> None:
        """Compare the numbers of what somebody had to be told with those that came. Each talker's order has to be kept."""
        self.lost += len(set(due) - set(told))
        self.doubled += len(told) - len(set(told) & set(due))
        latest = dict.fromkeys(range(TALKERS), -1)
        for number in told:
            self.disordered += number < latest[number % TALKERS]
            latest[number % TALKERS] = number

    def __str__(self) -> str:
        counts = zip(astuple(self), ("lost", "doubled", "out of order"), strict=True)
        return ", ".join(f"{count:,} {what}" for count, what in counts if count) or "none"


class Room:
    """People of whom the first ten talk."""

    def __init__(self, people: Sequence[InClear]) -> None:
        self.people = people
        self.said = self.bytes = 0
        self._poller = selectors.DefaultSelector()
        for person in people:
            self._poller.register(person.socket, selectors.EVENT_READ, person)

    def take(self, patience: float) -> bool:
        """Take what has come, or comes in so many seconds. Returns whether that was anything."""
        ready = self._poller.select(patience)
        self.bytes += sum(key.data.take() for key, _ in ready)
        return bool(ready)

    def take_all(self) -> None:
        """Take what has come by now."""
        while self.take(0):
            pass

    def say(self, count: int) -> None:
        """So many lines by the talkers in turn, encrypted before any is sent; the last reader is told them."""
        for number in range(self.said, self.said + count):
            self.people[number % TALKERS].say(b"%d %s" % (number, PAYLOAD))
        for talker in self.people[:TALKERS]:
            talker.flush()
        self.said += count
        last = self.people[-1]
        while len(last.told) < self.said and self.take(PATIENCE):
            last.listen()

    def look(self) -> Faults:
        """Look for every message at everybody but who has said it: that depends on the way, a terminal shows it."""
        faults = Faults()
        for place, person in enumerate(self.people):
            person.listen()
            others = [number for number in range(self.said) if number % TALKERS != place]
            faults.look(others, [number for number in person.told if number % TALKERS != place])
            person.told.clear()
        return faults


@dataclass(frozen=True, slots=True)
class Cost:
    """What people cost the server who come in by one way."""

    joins: float  # a second of CPU time
    kib: float  # each, once in
    cpu_us: float  # a delivery
    bytes: float  # a delivery, as they go over the wire
    faults: Faults


def arrive(way: type[InClear], pid: int, port: int, number: int) -> tuple[list[InClear], float, float]:
    """Let so many come in, one after the other. Returns them, how many a second of CPU time, and KiB each."""
    first = way(port, number)
    first.come_in()  # what is loaded once is loaded
    first.socket.close()
    wait_until_at_rest(pid)
    used, base = cpu(pid), memory(pid)
    people = []
    for place in range(number):
        people.append(way(port, place))
        people[-1].come_in()
    wait_until_at_rest(pid)
    return people, number / (cpu(pid) - used), (memory(pid) - base) * 1024 / number


def talk(people: Sequence[InClear], pid: int, seconds: float, rate: float) -> tuple[float, float, Faults]:
    """Let ten of them talk for so many seconds. Returns µs of CPU and bytes a delivery, and what was at fault."""
    room = Room(people)
    room.say(BURST)  # what is loaded once is loaded
    wait_until_at_rest(pid)
    room.take_all()
    used, said, taken, begun = cpu(pid), room.said, room.bytes, time.monotonic()
    while room.said == said or time.monotonic() - begun < seconds:
        room.say(1 if rate else BURST)
        while rate and (early := (room.said - said) / rate - (time.monotonic() - begun)) > 0:
            room.take(early)
    wait_until_at_rest(pid)  # what was said last is on disk
    spent, deliveries = cpu(pid) - used, (room.said - said) * (len(people) - 1)
    room.take_all()
    return spent / deliveries * 1e6, (room.bytes - taken) / deliveries, room.look()


def measure(way: type[InClear], pid: int, port: int, number: int, seconds: float, rate: float = 0) -> Cost:
    """What so many cost who come in by one way. ``rate`` is in messages a second; 0: as fast as the last is told."""
    people, joins, kib = arrive(way, pid, port, number)
    cost = Cost(joins, kib, *talk(people, pid, seconds, rate))
    for person in people:
        person.socket.close()
    return cost


# The table's columns, and the measure of each.
COLUMNS = {"joins/s a core": "joins", "KiB each": "kib", "CPU µs a delivery": "cpu_us", "bytes a delivery": "bytes"}


def table(costs: Mapping[str, Sequence[Cost]]) -> str:
    """A row a way: medians with the least and the most, and how many times those of clear text they are."""
    rows = [["way", *(head for column in COLUMNS for head in (column, "×")), "faults"]]
    for way, runs in costs.items():
        row = [WAYS[way].title]
        for measure in COLUMNS.values():
            values = [getattr(run, measure) for run in runs]
            reference = [getattr(run, measure) for run in costs.get(REFERENCE, ())]
            row.append(spread(Figure(median(values), min(values), max(values))))
            row.append(f"{median(values) / median(reference):.2f}" if reference else "")
        rows.append([*row, "; ".join({str(run.faults): None for run in runs})])
    return aligned(rows)


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.ways", description="Measure what encryption costs the server.")
    parser.add_argument("--people", type=int, default=200, help="default: 200")
    parser.add_argument("--seconds", type=float, default=1.0, help="of talk in each run, of which all is held; default: 1")
    parser.add_argument("--rate", type=float, default=0, help="messages a second; default: as fast as the last reader is told")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--ways", type=chosen(WAYS, "way"), default=list(WAYS), help=f"default: {','.join(WAYS)}")
    asked = parser.parse_args(arguments)
    if asked.people <= TALKERS:
        parser.error(f"{TALKERS} talk: somebody has to read")
    return asked


def main() -> None:
    """Measure, and print."""
    asked = options(sys.argv[1:])
    server_core, load_core = cores()
    os.sched_setaffinity(0, {load_core})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(f"load average: {os.getloadavg()[0]:.2f}", flush=True)
    costs: dict[str, list[Cost]] = {way: [] for way in asked.ways}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(asked.rounds):
            for way, runs in costs.items():
                with running(SERVERS["chat"], Path(folder), server_core) as (pid, port):
                    runs.append(measure(WAYS[way], pid, port, asked.people, asked.seconds, asked.rate))
    print(table(costs))


if __name__ == "__main__":
    main()
