"""Whatever a program sends, by JSON or from a web page, is answered in words: never by a bug of ours, and nothing goes on that
is no Unicode text."""

import json
from pathlib import Path
from typing import Any

import pytest
from chat_clients import Guest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kept_chat import KeptChat

from twisted_chat.config import Config, Limits
from twisted_chat.core.commands.builtins import table
from twisted_chat.testing import Chat

HALVES = st.characters(categories=("Cs",))
CHARACTERS = st.one_of(st.characters(), HALVES, st.sampled_from("\0\x1b\u202e\ufeff\U0001f600#@*/:!"))
TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=8),
    st.sampled_from(
        ["#lobby", "Ann", "Olga", "10m", "5", "on", "since", "before", "1" * 5000, "9" * 18, "from:\ud800", "\udfff"]
    ),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
COMMANDS = sorted(set(table.commands) - {"exit", "quit", "shutdown"})


def is_unicode(text: str) -> bool:
    """Whether a text has no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def events(chat: Chat, guest: Guest) -> list[dict[str, Any]]:
    """What a program has been sent."""
    chat.clock.advance(1)
    return guest.client.objects()  # type: ignore[union-attr,no-any-return]


def olga(chat: Chat) -> Guest:
    """An operator of the server, who may do everything."""
    guest = Guest(chat, "json", "Olga").type("/register secret99", "/join #lobby", "hello")
    events(chat, guest)
    return guest


@settings(max_examples=400, deadline=None)
@given(
    command=st.sampled_from(COMMANDS),
    arguments=st.lists(TEXTS, max_size=4),
    way=st.sampled_from(["do", "line", "say"]),
    room=st.one_of(st.none(), TEXTS),
)
@example(command="search", arguments=["\ud800"], way="do", room=None)
@example(command="search", arguments=["x"], way="do", room="\udc00")
def test_every_command_with_every_text(command: str, arguments: list[str], way: str, room: str | None) -> None:
    """Half of a character is refused before anything is done with it; all else is done, or refused in words."""
    chat = Chat(Config(limits=Limits.OFF, operator=("Olga",)))
    guest = olga(chat)
    text = " ".join([f"/{command}", *arguments])
    asked: dict[str, Any] = {"type": way, "id": "1"} | ({"room": room} if room is not None else {})
    asked |= {"command": command, "arguments": arguments} if way == "do" else {"text": text}
    newest = chat.log.newest
    guest.client.send(asked)
    found = events(chat, guest)
    assert not [one for one in found if one.get("code") == "internal-error"], found
    if not all(map(is_unicode, [*arguments, room or ""])):
        assert [one["code"] for one in found] == ["bad-text"]
        assert len(found[0]["text"].splitlines()) == 1
        assert "is one half of a character" in found[0]["text"]
        assert chat.log.newest == newest


@settings(max_examples=300, deadline=None)
@given(
    members=st.dictionaries(
        st.sampled_from(
            ["type", "text", "id", "room", "command", "arguments", "again", "name", "client", "rooms", "log", "password"]
        ),
        st.one_of(VALUES, st.sampled_from(["hello", "say", "line", "do", "ping"])),
        max_size=6,
    ),
    twice=st.booleans(),
    named=st.booleans(),
)
def test_every_object(members: dict[str, Any], twice: bool, named: bool) -> None:
    """Members of other kinds, huge numbers, members that stand there twice: before a name and after."""
    chat = Chat(Config(limits=Limits.OFF))
    guest = Guest(chat, "json", "Ann") if named else None
    client = guest.client if guest is not None else chat.connect("json")
    line = json.dumps(members)
    if twice and members:
        line = line[:-1] + ", " + line[1:]
    client.send(line)  # type: ignore[union-attr]
    client.send({"type": "ping"})
    chat.clock.advance(1)
    found = client.objects()  # type: ignore[union-attr]
    assert not [one for one in found if one.get("code") == "internal-error"], found
    assert found[-1]["type"] == "pong" or found[-1]["code"] == "closing"


@pytest.mark.parametrize(
    "deep", ["[" * 30_000, '{"a":' * 5_000, '{"type":"say","text":' + "[" * 900 + "]" * 900 + ',"x":"\\u0000"}']
)
def test_deep_nesting(deep: str) -> None:
    """It is no JSON for us, and the connection lives."""
    chat = Chat(Config(limits=Limits.OFF))
    guest = Guest(chat, "json", "Ann")
    events(chat, guest)
    guest.client.send(deep, {"type": "ping"})
    assert [one.get("code", one["type"]) for one in events(chat, guest)] == ["bad-request", "pong"]


@pytest.mark.parametrize("kind", ["json", "web"])
def test_pairs_are_characters_and_halves_are_none(kind: str) -> None:
    """``\\ud83d\\ude00`` is one emoji; either half is refused, in a name, a text, an id's value and a member's name."""
    chat = Chat(Config(limits=Limits.OFF))
    guest = Guest(chat, kind, "Ann")
    assert "\U0001f600" in guest.answer("\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"))
    for text in ("\ud83d", "\ude00", "\ude00\ud83d", "/nick \ud800", "/topic \udfff", "/msg Ann \ud800", "/search \ud800"):
        assert "is one half of a character" in guest.answer(text), text


def test_what_is_kept_is_searched_with_every_text(tmp_path: Path) -> None:
    """On disk, too: whatever SQLite makes of a word."""
    chat = KeptChat(tmp_path)
    guest = olga(chat)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.sampled_from(["search", "history", "since", "audit", "delete", "topic", "say", "msg"]), st.lists(TEXTS, max_size=3)
    )
    def run(command: str, arguments: list[str]) -> None:
        guest.client.send({"type": "do", "command": command, "arguments": arguments})
        found = events(chat, guest)
        assert not [one for one in found if one.get("code") == "internal-error"], found

    run()
    chat.end()
