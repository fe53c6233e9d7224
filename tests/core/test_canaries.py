"""No outsider ever learns a secret, whatever they send, by any protocol, whatever happens meanwhile: see `canaries`.

``CANARY_LIVES=500`` is a longer run: each life has as many steps, and other dice.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from canaries.world import Leak, World
from twisted.logger import globalLogPublisher

from twisted_chat.core.commands.builtins import table
from twisted_chat.core.hub.queries import Queries
from twisted_chat.core.rooms import access, endings
from twisted_chat.core.rooms.access import Access, Readable
from twisted_chat.core.rooms.room import Room
from twisted_chat.protocols.irc.commands.table import VERBS
from twisted_chat.protocols.jsonlines.protocol import REQUESTS

LIVES, STEPS = int(os.environ.get("CANARY_LIVES", "20")), 1000
KINDS = ("message", "topic", "private", "reason", "member", "address")


@pytest.fixture
def bugs() -> Iterator[list[Any]]:
    """What goes wrong in the server meanwhile."""
    found: list[Any] = []

    def observe(event: Any) -> None:
        if "case" in event:
            found.append(event["log_failure"].getTraceback())

    globalLogPublisher.addObserver(observe)
    yield found
    globalLogPublisher.removeObserver(observe)


@pytest.mark.parametrize("seed", range(LIVES))
def test_no_canary_reaches_an_outsider(seed: int, bugs: list[Any]) -> None:
    """And those whom it concerns are told each kind of them. Nothing that was sent is a bug of ours."""
    world = World(seed).run(STEPS)
    assert not bugs, bugs[0]
    missing = [kind for kind in KINDS if not world.oracle.seen[kind]]
    assert not missing, world.oracle.seen


def _everything_since(self: Access, session: Any, stream: Any) -> Readable:
    return Readable()


OPENED = {
    "whoever asks may look into a room": (Access, "may_look", lambda self, session, room: True),
    "whoever asks may read": (Access, "readable", _everything_since),
    "keys and invitations count for nothing": (Access, "could_come_in", lambda self, session, room, with_key=False: True),
    "accounts may read what was said while they were shut out": (access, "hidden", lambda shut_out, account: ()),
    "a later room shows what was said before": (endings.Endings, "begins", lambda self, key: 0),
    "a room that was closed ends as an open one does": (Room, "kept", Room.lasts),
    "a right counts that was lost while the disk was read": (Queries, "_readable", lambda self, *_: Readable()),
}


@pytest.mark.parametrize("opened", OPENED)
def test_a_leak_is_seen(opened: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle is not blind: with any of the checks taken away, a canary reaches an outsider within a few lives."""
    owner, name, instead = OPENED[opened]
    monkeypatch.setattr(owner, name, instead)
    with pytest.raises(Leak):
        for seed in range(40):
            World(seed).run(STEPS)


def test_everything_that_can_be_asked_is_asked() -> None:
    """Each command, verb and request is drawn in a run: a new one too, as they are taken from the tables."""
    world = World(0)
    drawn = {world.grammar.command()[0] for _ in range(20_000)}
    assert drawn == set(table.commands)
    lines = [world.grammar.irc().split() for _ in range(20_000)]
    assert {words[1] if words[0].startswith("@") else words[0] for words in lines} == set(VERBS)
    assert {world.grammar.request()["type"] for _ in range(200)} == set(REQUESTS)
