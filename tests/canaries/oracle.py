"""Who may know which canary, by a model of its own: it looks at who is where and at policies, not at what decides reads.

1. A canary of a room may be known by those in the room, and by those who could come in; only while the room that it belongs to
   has not ended; and a message not by an account that was shut out when it was said.
2. A canary of a private talk may be known by its two people; an address by operators of the server.
3. That somebody is in a room is a secret, too: whoever may not look into the room is sent no line that names both.
4. What was right before or after a step is right: what is sent within a step may belong to either.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from twisted_chat.core.text.names import fold
from twisted_chat.core.users.session import Session
from twisted_chat.testing import Chat

CANARY = re.compile(rb"cz[0-9]{6}q|203\.0\.113\.[0-9]+")
MEMBER = re.compile(rb"nm[0-9]{4}")
# What tells an invited person who it is that invites them, and where to.
INVITATION = re.compile(rb"nm[0-9]{4} invites you to |\"type\":\"invited\"| INVITE ")
# Where one thing that a connection is told ends: a line, an object in a frame.
ONE_BY_ONE = re.compile(rb"\r?\n|(?={\"type\":)")
HIDDEN_ROOM = "#cz999999q"  # a private room of which outsiders have never heard: its name is a canary
CLOSED = ("private", "key", "invite_only", "registered", "encrypted")


@dataclass
class Canary:
    """A secret."""

    word: str
    kind: str
    room: str = ""
    epoch: int = 0
    hidden_from: frozenset[str] = frozenset()  # keys of accounts
    told: frozenset[str] = frozenset()  # keys of people who are told as it concerns them


@dataclass(frozen=True)
class RoomNow:
    """What a room is at a time."""

    policy: Any
    owner: str
    granted: frozenset[str]
    readers: frozenset[int]
    members: frozenset[str]
    banned: frozenset[str]


@dataclass(frozen=True)
class PersonNow:
    """What a session is at a time."""

    id: int
    key: str
    registered: bool
    invited: frozenset[str]
    encrypted: bool
    operator: bool
    token: str
    visits: bool = False  # comes into rooms and goes again within one step, as one command by SSH does


@dataclass(frozen=True)
class Moment:
    """A server at a time."""

    rooms: dict[str, RoomNow]
    epochs: dict[str, int]
    lockdown: bool


@dataclass
class Oracle:
    """All canaries, and the history of the rooms they belong to."""

    canaries: dict[str, Canary] = field(default_factory=dict)
    epochs: Counter[str] = field(default_factory=Counter)  # by room: how many of its name have ended
    ever_closed: set[str] = field(default_factory=set)
    bans: dict[str, set[str]] = field(default_factory=dict)  # by room: names that insiders have banned
    shut: set[tuple[str, str]] = field(default_factory=set)  # rooms and accounts
    seen: Counter[str] = field(default_factory=Counter)  # by kind: how often an insider was sent one

    def now(self, chat: Chat) -> Moment:
        """Note what the server is now."""
        rooms = {
            key: RoomNow(
                room.policy,
                room.record.owner,
                frozenset(room.granted),
                frozenset(room.readers),
                frozenset(session.key for session in room.readers.values()),
                frozenset(self.bans.get(key, ())),
            )
            for key, room in chat.hub.rooms.items()
        }
        return Moment(rooms, dict(self.epochs), chat.hub.facts.get("lockdown") == "on")

    def step(self, before: Moment, chat: Chat, *, own_act: bool) -> Moment:
        """Follow what a step has done. With ``own_act``, whoever has gone has gone by their own will, or was sent out."""
        for key, room in before.rooms.items():
            if any(getattr(room.policy, name) for name in CLOSED):
                self.ever_closed.add(key)
            there = chat.hub.rooms.get(key)
            people = {session.key for session in there.readers.values()} if there is not None else set()
            ended = own_act and room.readers and not people and room.owner == "" and key != "#lobby"
            if ended and key in self.ever_closed:
                self.epochs[key] += 1
                self.ever_closed.discard(key)
                self.bans.pop(key, None)
                self.shut = {pair for pair in self.shut if pair[0] != key}
        for key, now in chat.hub.rooms.items():
            for session in now.readers.values():
                self.shut.discard((key, session.key))
        return self.now(chat)

    def opened(self, before: Moment, chat: Chat) -> list[str]:
        """The closed rooms that a restart or a lost line has opened, or made an end of."""
        closed = [key for key, room in before.rooms.items() if any(getattr(room.policy, name) for name in CLOSED)]
        return [key for key in closed if key not in chat.hub.rooms or chat.hub.rooms[key].policy != before.rooms[key].policy]

    def plant(self, kind: str, room: str = "", told: frozenset[str] = frozenset()) -> str:
        """A new word."""
        word = f"cz{len(self.canaries):06}q"
        hidden = frozenset(account for where, account in self.shut if where == room) if kind == "message" else frozenset()
        self.canaries[word] = Canary(word, kind, room, self.epochs[room], hidden, told)
        return word

    def may_look(self, moment: Moment, person: PersonNow, key: str) -> bool:
        """Whether somebody may know who is in a room and what it is about."""
        room = moment.rooms.get(key)
        if room is None or (room.policy.encrypted and not person.encrypted):
            return False
        if person.id in room.readers or person.operator or person.token == key:
            return True
        hides = room.policy.private and not person.visits  # who knows the name of a private room may come in
        if hides or person.key in room.banned or (not person.key and moment.lockdown):
            return False
        account = person.key if person.registered else None
        ranks = (room.owner, *room.policy.operators, *room.policy.invited)
        if key in person.invited or (account is not None and account in ranks) or person.key in room.granted:
            return True
        return not (room.policy.invite_only or room.policy.key or (room.policy.registered and account is None))

    def may_know(self, moment: Moment, person: PersonNow, canary: Canary) -> bool:
        """Whether somebody may know a canary."""
        if person.key and person.key in canary.told:
            return True
        if person.operator or not canary.room:
            return person.operator
        if canary.kind == "name":
            there = moment.rooms.get(canary.room)
            return there is not None and (
                not there.policy.private or person.id in there.readers or canary.room in person.invited
            )
        if canary.epoch != moment.epochs.get(canary.room, 0) or not self.may_look(moment, person, canary.room):
            return False
        if canary.kind == "key":
            room = moment.rooms[canary.room]
            return person.key in (room.owner, *room.policy.operators, *room.granted)
        return not (person.registered and person.key in canary.hidden_from)

    def leaks(self, data: bytes, moments: tuple[Moment, Moment], people: tuple[PersonNow, ...], *, whole: bool) -> list[str]:
        """What a connection was sent that its person, at no moment of the step, may know. ``whole``: it is one answer."""
        found = []
        for match in set(CANARY.findall(data)):
            canary = self.canaries.get(match.decode()) or Canary(match.decode(), "address")
            if canary.word == HIDDEN_ROOM[1:]:
                canary = Canary(canary.word, "name", HIDDEN_ROOM)
            if not any(self.may_know(moment, person, canary) for moment in moments for person in people):
                found.append(f"{canary}")
        for line in [data] if whole else ONE_BY_ONE.split(data):
            if INVITATION.search(line):
                continue
            for name in {match.decode() for match in MEMBER.findall(line)}:
                for moment in moments:
                    for key, room in moment.rooms.items():
                        is_there = name in room.members and re.search(rb"%s(?![\w-])" % re.escape(key.encode()), line)
                        if is_there and not any(self.may_look(one, person, key) for one in moments for person in people):
                            found.append(f"{name} is in {key}")
        return found


def person_now(session: Session, chat: Chat) -> PersonNow:
    """Note what a session is now."""
    return PersonNow(
        session.id,
        session.key,
        session.registered,
        frozenset(session.invited),
        session.way.encrypted,
        session.operator or (session.registered and session.key in {fold(name) for name in chat.config.operator}),
        session.token.room if session.token is not None else "",
    )
