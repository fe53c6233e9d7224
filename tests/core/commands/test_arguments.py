"""What follows a command is read as its usage says, or the command does not run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_chat.config import Config, Limits
from twisted_chat.core.command_table.arguments import KINDS, Place
from twisted_chat.core.command_table.table import Call, Command
from twisted_chat.core.commands.builtins import table
from twisted_chat.core.errors import ChatError
from twisted_chat.core.text import durations
from twisted_chat.testing import Chat

WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=10)
COMMANDS = st.sampled_from(sorted(table.commands))
# What is no whole number in ASCII digits, though it has a look of one, and what is too large for any range.
NO_NUMBERS = st.sampled_from(
    ["5x", "x5", "-1", "+5", "1e3", "0x10", "1_0", "1.5", "٣", "３", "²", "½", "Ⅷ", "", "nan", "inf"]
) | st.integers(10**18).map(str)
NO_DURATIONS = st.sampled_from(
    ["10", "0m", "10M", "10mo", "1o", "-5m", "+5m", "1.5h", "1e3s", "0x10m", "٣m", "10m5s", "½h", "99999999w"]
)
# For each kind: what fits with its value, and what does not.
FITS: dict[str, st.SearchStrategy[tuple[str, Any]]] = {
    "NAME": WORDS.map(lambda word: (word, word)),
    "ROOM": st.sampled_from([("#LOBBY", "#lobby"), ("#Tea", "#tea")]),
    "NUMBER": st.integers(1, 10**18).map(lambda number: (f"{number}"[:18], int(f"{number}"[:18]))),
    "DURATION": st.tuples(st.integers(1, 1000), st.sampled_from("smhdw")).map(
        lambda pair: (f"{pair[0]}{pair[1]}", float(pair[0] * durations.UNITS[pair[1]]))
    ),
    "PASSWORD": st.text("aZ7/#-.é漢🙂", min_size=1).map(lambda word: (word, word)),
    "TEXT": WORDS.map(lambda word: (word, word)),
}
for name, same in {
    "WHO": "NAME",
    "MASK": "NAME",
    "ADDRESS": "NAME",
    "CIDR": "NAME",
    "#ROOM": "ROOM",
    "CLAIM-CODE": "PASSWORD",
    "CURRENT": "PASSWORD",
    "NEW": "PASSWORD",
}.items():
    FITS[name] = FITS[same]
for name in ("CODE", "KEY", "COMMAND", "SETTING", "POLICY", "VALUE", "REASON", "WORDS"):
    FITS[name] = FITS["TEXT"]
ROOMS = st.sampled_from(["#", "#a!b", "#" + "x" * 40, "#-x", "##"])
MISFITS: dict[str, st.SearchStrategy[str]] = {
    "NAME": ROOMS,
    "WHO": ROOMS,
    "ROOM": ROOMS,
    "N": NO_NUMBERS,
    "NUMBER": NO_NUMBERS | st.just("0"),
    "SECONDS": NO_NUMBERS | st.sampled_from(["10M", "soon", "10 m", "1d2h", "2w"]),
    "DURATION": NO_DURATIONS,
    "TIME": st.sampled_from(["", "soon", "25:00", "2026-13-01", "10M", "1e3"]),
}


def one_of(draw: st.DrawFn, place: Place) -> tuple[str, Any]:
    """A word that fits a place, and its value."""
    first: str = next((kind for kind in place.word.removesuffix("...").split("|") if kind in KINDS), "")
    if place.words and (not first or draw(st.booleans())):
        word = draw(st.sampled_from(place.words))
        return word.upper() if draw(st.booleans()) else word, word
    if first in ("N", "SECONDS"):
        number = draw(
            st.sampled_from(place.within)
            if len(place.within) < 10
            else st.integers(place.within.start, min(place.within.stop - 1, 10**17))
        )
        return f"{'0' * draw(st.integers(0, 1))}{number}", number if first == "N" else float(number)
    return draw(FITS[first])


@st.composite
def filled(draw: st.DrawFn) -> tuple[Command, list[str], list[Any]]:
    """A command with a word that fits in each place up to some, and their values."""
    command = table.commands[draw(COMMANDS)]
    places = command.arguments.places
    needed = max((index + 1 for index, place in enumerate(places) if place.needed), default=0)
    pairs = [one_of(draw, place) for place in places[: draw(st.integers(needed, len(places)))]]
    return command, [word for word, _ in pairs], [value for _, value in pairs]


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[Command, list[str]]:
    """A command with one word that does not fit its place, one too few, or one too many."""
    command, words, _ = draw(filled())
    places = command.arguments.places
    typed = [index for index in range(len(words)) if misfits(places[index]) is not None]
    needed = any(place.needed for place in places)
    match draw(st.sampled_from(["misfit"] * 3 * bool(typed) + ["missing"] * needed + ["surplus"])):
        case "misfit":
            index = draw(st.sampled_from(typed))
            strategy = misfits(places[index])
            assert strategy is not None
            words[index] = draw(strategy)
        case "missing":
            words = words[: draw(st.integers(0, max(index for index, place in enumerate(places) if place.needed)))]
        case _:
            words = [one_of(draw, place)[0] for place in places] + [draw(WORDS)]
    return command, words


def misfits(place: Place) -> st.SearchStrategy[str] | None:
    """What fits none of the kinds of a place; None where everything fits."""
    kinds = [kind for kind in place.word.removesuffix("...").split("|") if kind in KINDS]
    if not kinds:
        return WORDS.map(lambda word: f"x{word}").filter(lambda word: word not in place.words)
    found = MISFITS.get(kinds[0])
    return found if len(kinds) == 1 or kinds[0] == "N" else None


@contextmanager
def spied_on(command: Command) -> Iterator[list[tuple[Any, ...]]]:
    """What a command's handler is called with, instead of being called."""
    calls: list[tuple[Any, ...]] = []
    handler = command.handler
    command.handler = lambda call, *values: calls.append(values)
    try:
        yield calls
    finally:
        command.handler = handler


@pytest.fixture(scope="module")
def call() -> Call:
    """A call of an operator's, who may do everything."""
    chat = Chat(Config(limits=Limits.OFF, operator=("Boss",)))
    boss = chat.enter("Boss")
    boss.send("/join #tea")
    return Call(chat.hub, boss.transport.protocol.session, table)


def typed(command: Command, words: Sequence[str]) -> str:
    """The line that somebody types."""
    return " ".join([f"/{command.name}", *words])


@given(data=st.data())
def test_what_fits_reaches_the_handler_as_its_value(call: Call, data: st.DataObject) -> None:
    """Words that fit come out as the numbers, seconds, rooms and choices they stand for, typed or apart."""
    command, words, values = data.draw(filled())
    with spied_on(command) as calls:
        table.run(call, typed(command, words))
        table.invoke(call, command.name, words)
    assert [list(one[: len(values)]) for one in calls] == [values, values]
    assert len(calls[0]) in (len(command.arguments.places), 1)


@given(data=st.data())
def test_what_does_not_fit_never_reaches_a_handler(call: Call, data: st.DataObject) -> None:
    """A word of another kind, one too few and one too many are refused, typed or apart, and nothing is run."""
    command, words = data.draw(spoilt())
    rest = any(place.rest for place in command.arguments.places)
    for way in ("typed", "apart"):
        if way == "typed" and ((rest and len(words) > len(command.arguments.places)) or "" in words):
            continue  # the rest of a line is one argument, and nothing can't be typed
        with spied_on(command) as calls, pytest.raises(ChatError) as refused:
            if way == "typed":
                table.run(call, typed(command, words))
            else:
                table.invoke(call, command.name, words)
        assert calls == [], (command.usage, words, way)
        assert refused.value.code in ("not-understood", "bad-name")


@pytest.mark.parametrize(
    "line",
    [
        "/shutdown soon",
        "/shutdown ten minutes",
        "/shutdown 1000000",
        "/shutdown ٣",
        "/slow 1e3",
        "/slow 999999999999999999999",
        "/slow 3601",
        "/slow 2h",
        "/ban Ben 10 minutes",
        "/ban Ben 1o",
        "/ban Ben ten minutes",
        "/ban Ben for 10 minutes",
        "/mute Ben an hour of silence",
        "/shutdown 10 minutes",
        "/ban Ben 10 M",
        "/mute Ben -5m",
        "/kick Ben 10m",
        "/disconnect Ben 2h",
        "/password boss newpass1",
        "/nick Bob two words",
        "/unregister secret now",
        "/room limit 00000000012345",
        "/room limit 5x",
        "/delete 5x",
        "/invite #tea",
        "/leave bye",
        "/lockdown maybe",
        "/history 0",
        "/deoper now",
    ],
)
def test_what_was_meant_otherwise_changes_nothing(line: str) -> None:
    """Nobody is banned, nothing is stopped, and no password is another, when a line does not fit."""
    chat = Chat(Config(limits=Limits.OFF, operator=("Boss",)))
    boss, ben = chat.enter("Boss"), chat.enter("Ben")
    boss.send("/register longsecret")
    account, room = chat.hub.registry.accounts["boss"], chat.hub.rooms["#lobby"]
    boss.lines(), ben.lines()
    before = room.policy
    boss.send(line)
    assert boss.lines()[0].startswith("-> ")
    assert (chat.stops, chat.hub.admission.sanctions.all, ben.lines()) == ([], {}, [])
    assert chat.hub.registry.accounts["boss"].password == account.password
    assert (room.policy, room.names(), chat.hub.facts.get("lockdown")) == (before, ("Ben", "Boss"), None)


def test_durations_are_taken_where_seconds_are() -> None:
    """`/slow 10m`, `/shutdown 10m` and `/ban Ben 10m` last ten minutes; leading zeros make no other number."""
    chat = Chat(Config(limits=Limits.OFF, operator=("Boss",)))
    boss = chat.enter("Boss")
    chat.enter("Ben")
    boss.send("/register longsecret")
    policies = []
    for line in ("/slow 10m", "/slow 000000000999", "/slow 0"):
        boss.send(line)
        policies.append(chat.hub.rooms["#lobby"].policy.slow)
    boss.send("/shutdown 10m for repairs", "/shutdown 90", "/shutdown now", "/ban Ben 10m was warned 3 times")
    (ban,) = chat.hub.admission.sanctions.all.values()
    assert policies == [600.0, 999.0, 0.0]
    assert chat.stops == [600.0, 90.0, 0.0]
    assert (ban.until, ban.reason) == (ban.at + 600, "was warned 3 times")


def test_a_topic_is_that_of_the_room_it_names() -> None:
    """A room before the text is the one meant; an IRC client's or a program's text stays what it is."""
    chat = Chat()
    ann = chat.enter("Ann")
    ann.send("/join #tea", "/topic #lobby two  blanks", "/topic  of tea")
    assert [chat.hub.rooms[key].record.topic for key in ("#lobby", "#tea")] == ["two  blanks", "of tea"]
    program = chat.enter("Al", "json")
    program.send({"type": "do", "command": "topic", "arguments": ["#1 fan club"]})
    assert chat.hub.rooms["#lobby"].record.topic == "#1 fan club"


@pytest.mark.parametrize(
    ("words", "password"), [("two words", None), ("hunter22 ann@example.org", "hunter22"), ("hunter22", "hunter22")]
)
def test_nickserv_is_given_one_word_and_perhaps_an_address(words: str, password: str | None) -> None:
    """An IRC client's REGISTER has a password and an address; of two other words, none is taken for a password."""
    chat = Chat()
    irc = chat.connect("irc")
    irc.send("NICK ann", "USER x 0 * :X", f"NS REGISTER {words}")
    account = chat.hub.registry.accounts.get("ann")
    assert (account.password if account is not None else None) == password
