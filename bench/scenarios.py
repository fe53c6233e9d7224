"""What is measured: how many people, how many of them talk, how much, and on which servers.

A window is the number of messages that each talker has under way; a rate is of all talkers together. 32 messages of ten
talkers are 34 KB a reader: ngIRCd cuts off whoever is 64 KB behind.
"""

from dataclasses import dataclass

OURS = ("chat", "chat-json", "chat-web", "chat-irc")
PEERS = ("ngircd", "inspircd")
UNDELAYED = ("ngircd-nodelay", "inspircd-nodelay")
BOUNDS = ("plain", "limit")


@dataclass(frozen=True, slots=True)
class Case:
    """One load."""

    name: str
    people: int
    talkers: int = 0
    rooms: int = 1
    window: int = 0
    rate: float = 0
    stalled: int = 0
    together: bool = False  # all arrive at once

    def arguments(self, seconds: float, arriving: int) -> list[str]:
        """The load's command line. ``arriving`` is how many come in at a time, unless all do."""
        numbers = {
            "people": self.people,
            "talkers": self.talkers,
            "rooms": self.rooms,
            "window": self.window,
            "rate": self.rate,
            "stalled": self.stalled,
            "seconds": seconds,
            "arriving": self.people if self.together else arriving,
        }
        return [f"--{name}={number}" for name, number in numbers.items()]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Loads whose figures stand in one table."""

    title: str
    servers: tuple[str, ...]
    cases: tuple[Case, ...]
    once: bool = False  # one round will do: it takes long, and its figures hardly spread


SCENARIOS = {
    "a": Scenario(
        "200 people, 10 talking, saturated",
        (*OURS, *PEERS, *UNDELAYED, *BOUNDS),
        (Case("", people=200, talkers=10, window=32),),
    ),
    "b": Scenario(
        "1,000 people, 10 talking, saturated", (*OURS, *PEERS, *BOUNDS), (Case("", people=1000, talkers=10, window=32),)
    ),
    "c": Scenario(
        "100 people, 20 messages a second",
        (*OURS, *PEERS, *UNDELAYED, *BOUNDS),
        (Case("", people=100, talkers=20, rate=20),),
    ),
    "d": Scenario(
        "joining, and idle connections",
        ("chat", "chat-web", "chat-irc", *PEERS, *BOUNDS),
        (Case("5,000, as fast as they get in", people=5000), Case("1,000 at once", people=1000, together=True)),
        once=True,
    ),
    "e": Scenario(
        "100 rooms of 10, one talking in each, saturated",
        (*OURS, *PEERS, *BOUNDS),
        (Case("", people=1000, talkers=100, rooms=100, window=32),),
    ),
    "f": Scenario(
        "one stalled reader among 200",
        ("chat", "ngircd"),
        (
            Case("all read, saturated", people=200, talkers=10, window=32),
            Case("one stalled, saturated", people=200, talkers=10, window=32, stalled=1),
            Case("all read, 500/s", people=200, talkers=10, rate=500),
            Case("one stalled, 500/s", people=200, talkers=10, rate=500, stalled=1),
        ),
    ),
    "g": Scenario(
        "the cost of storage: --state none against synchronous=FULL",
        ("chat", "chat-none"),
        (Case("200 people, saturated", people=200, talkers=10, window=32), Case("500/s", people=200, talkers=10, rate=500)),
    ),
    "h": Scenario(
        "growth, at 20 messages a second",
        ("chat", "limit"),
        tuple(Case(f"{people:,} people", people=people, talkers=10, rate=20) for people in (10, 100, 1000, 5000)),
        once=True,
    ),
    "i": Scenario(
        "200 people, 500 messages a second",
        (*OURS, *PEERS, *UNDELAYED, *BOUNDS),
        (Case("", people=200, talkers=10, rate=500),),
    ),
    "j": Scenario(
        "fairness: 10 talkers who always have a next line waiting",
        ("chat", *PEERS),
        (Case("", people=20, talkers=10, window=1024),),
    ),
}
