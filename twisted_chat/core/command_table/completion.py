"""Completion of the word being typed: commands, their arguments, people and rooms.

1. A command's usage alone defines its arguments: ``NAME`` is a person, ``ROOM`` a room, ``on|off`` are words.
2. In a text, people and rooms are completed, but only once the word has begun.
3. Case does not count. Only the people and rooms that `/who` and `/rooms` would show are offered.
4. A completion counts as a look-up and has the same rate limit: after too many, nothing is offered for a while.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields

from twisted_chat.core.command_table.table import Table
from twisted_chat.core.errors import TooOften
from twisted_chat.core.hub.hub import Hub
from twisted_chat.core.rooms.members import sessions_in
from twisted_chat.core.users.session import Session
from twisted_chat.core.users.settings import Settings

# The words of a usage for text that others will read.
TEXTS = ("TEXT", "REASON", "WORDS")
SETTINGS = tuple(setting.name for setting in fields(Settings))


def candidates(typed: str, usages: Mapping[str, str], people: Collection[str], rooms: Collection[str]) -> list[str]:
    """Return the completions of the last word of ``typed``, in alphabetical order.

    ``typed`` is the line up to the cursor; ``usages`` holds each command's usage by name.
    """
    *before, word = re.split(r"\s", typed)
    before = [other for other in before if other]
    command = before[0] if before else word
    known: set[str] = set()
    if not command.startswith("/") or command.startswith("//"):
        known.update(people, rooms) if word else ()
    elif not before:
        known.update(f"/{name}" for name in usages)
    else:
        kinds = {"NAME": people, "ROOM": rooms, "#ROOM": rooms, "COMMAND": usages, "SETTING": SETTINGS}
        for kind in _kinds(usages.get(command[1:].lower(), "").split()[1:], before[1:], word):
            known.update((kind,) if kind.islower() else kinds.get(kind, ()))
    folded = word.casefold()
    return sorted((one for one in known if one.casefold().startswith(folded)), key=str.casefold)


def _kinds(places: list[str], given: list[str], word: str) -> Iterator[str]:
    """Yield the kinds of a command's next word, after the ``given`` ones. A room in the first place may be missing."""
    room_first = places[:1] in (["[ROOM]"], ["[ROOM|*]"])
    if room_first and given and not given[0].startswith(("#", "*")):
        places = places[1:]
    wanted = places[len(given) : len(given) + 1 + (room_first and not given)]
    for place in wanted or [place for place in places[-1:] if "..." in place]:
        what = place.strip("[]").removesuffix("...")
        if what not in TEXTS:
            yield from what.split("|")
        elif word:
            yield from ("NAME", "ROOM")


def for_person(hub: Hub, table: Table, me: Session, typed: str) -> list[str]:
    """Return a session's completions: its commands, the people in its rooms, its last correspondent and the rooms it sees."""
    if me.question is not None:
        return []  # the line is an answer
    try:
        hub.queries.charge(me, "You complete words", "completes")
    except TooOften:
        return []
    usages = {command.name: command.usage for command in table.for_role(hub.role(me, me.current))}
    if not me.name:
        return candidates(typed, usages, (), ()) if typed.startswith("/") else []
    people = {session.name for room in me.rooms.values() for session in sessions_in(room)}
    rooms = [room.key for room in hub.rooms_seen_by(me) if room.readers or room.lasts]
    return candidates(typed, usages, people | {me.correspondent} - {""}, rooms)
