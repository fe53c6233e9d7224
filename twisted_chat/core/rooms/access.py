"""Read access: which sequence numbers of a room or inbox a session may read now, and which rooms it may look into.

1. All code that shows or counts messages calls `Access.readable`, and calls it again after each wait: the session may have
   been removed in the meantime, and the room may have been closed, ended or created again.
2. A room's members may read it, and so may any session that could join it now. A member limit does not count; the room key
   counts as unknown. Only encrypted connections may read a room for encrypted connections.
3. Messages from before the room began are not readable. In a room that was ever closed, an account may not read the
   messages sent while the account was shut out: see `core.rooms.shut_out`.
4. Outsiders learn nothing about a private room. They learn the name and size of any other room that they cannot join.
5. Only its owner may read an inbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from twisted_chat.core.delivery.stream import Stream
from twisted_chat.core.errors import Banned
from twisted_chat.core.logins.operators import Operators
from twisted_chat.core.records import Account
from twisted_chat.core.rooms import permissions
from twisted_chat.core.rooms.admission import Admission
from twisted_chat.core.rooms.permissions import ClosedRoom
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.rooms.shut_out import OPEN, Span, Spans, hidden, merged
from twisted_chat.core.users.session import Session
from twisted_chat.core.users.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Readable:
    """The sequence numbers of a stream that a session may read: all above ``begins``, except the ``hidden`` spans."""

    begins: int = 0
    hidden: Spans = ()

    def allows(self, seq: int) -> bool:
        """Return True if the event of this number may be read."""
        return seq > self.begins and not any(first <= seq <= last for first, last in self.hidden)

    def start(self, after: int) -> int:
        """Return the lowest position, at least ``after``, above which everything may be read."""
        return max([after, self.begins, *(last for _, last in self.hidden if last < OPEN)])

    def up(self, after: int) -> int:
        """Return ``after``, or the end of the hidden events that directly follow it."""
        after = max(after, self.begins)
        for first, last in self.hidden:
            if first <= after + 1 <= last:
                after = last
        return after

    def down(self, before: int) -> int:
        """Return ``before``, or the start of the hidden events that directly precede it."""
        for first, last in reversed(self.hidden):
            if first < before <= last + 1:
                before = first
        return before

    def spans(self) -> list[Span]:
        """Return the readable spans, lowest first."""
        found: list[Span] = []
        first = self.begins + 1
        for low, high in self.hidden:
            if low > first:
                found.append((first, low - 1))
            first = max(first, high + 1)
        return [*found, (first, OPEN)] if first < OPEN else found


class Access:
    """The check of what a session may read."""

    def __init__(
        self,
        admission: Admission,
        tokens: Tokens,
        rooms: Mapping[str, Room],
        accounts: Mapping[str, Account],
        operators: Operators,
    ) -> None:
        """``rooms`` and ``accounts`` hold all of them, by key; ``operators`` are the server operators."""
        self._admission = admission
        self._tokens = tokens
        self._rooms = rooms
        self._accounts = accounts
        self._operators = operators

    def readable(self, session: Session, stream: Stream) -> Readable | None:
        """Return the part of a room or an inbox that a session may read now, or None for nothing."""
        if not isinstance(stream, Room):
            return Readable() if stream is session.inbox else None
        if not self.may_look(session, stream):
            return None
        record = stream.record
        if not record.closed:
            return Readable(record.begins)
        spans = hidden(record.shut_out, session.key) if session.registered else ()
        if spans and spans[-1][1] == OPEN and session.rooms.get(stream.key) is stream:
            first, last = spans[-1][0], stream.entered.get(session.key, OPEN) - 1
            spans = (*spans[:-1], (first, last)) if first <= last else spans[:-1]
        return Readable(record.begins, merged((*spans, *stream.carried.get(session.id, ()))))

    def may_look(self, session: Session, room: Room) -> bool:
        """Return True if a session may see a room's members, topic and events."""
        if session.gone or self._rooms.get(room.key) is not room or permissions.exposed(session, room):
            return False
        if session.rooms.get(room.key) is room:
            return True
        if session.token is not None and session.token.room == room.key:
            return self._tokens.get(session.token.digest) is not None and not self._is_banned(session, room)
        return permissions.may_see(session, room, self._operators) and self.could_come_in(session, room)

    def could_come_in(self, session: Session, room: Room, *, with_key: bool = False) -> bool:
        """Return True if a session could join a room now, ignoring its limit: without the room key, or ``with_key``."""
        if self._is_banned(session, room):
            return False
        try:
            permissions.admit(session, room, room.policy.key if with_key else "", self._operators)
        except ClosedRoom as error:
            return error.why == "limit"
        return True

    def shuts_out(self, room: Room, account: str, sessions: Iterable[Session]) -> bool:
        """Return True if a room no longer admits an account that was in it before and now has these ``sessions``.

        A former member knows the key, unless it has changed since the room was last saved. The same applies to a room that
        has become private since then.
        """
        policy, before = room.policy, room.saved
        if (policy.key and policy.key != before.key) or (policy.private and not before.private):
            return True
        here = [self.could_come_in(session, room, with_key=True) or permissions.exposed(session, room) for session in sessions]
        if here:
            return not any(here)
        if self._admission.bans_name(room, account):
            return True
        invited = account == room.record.owner or account in (*policy.operators, *policy.invited)
        return policy.invite_only and not invited and account not in self._operators

    def looked_into(self, session: Session, rooms: Iterable[Room]) -> list[Room]:
        """Return the rooms that a session may look into."""
        return [room for room in rooms if self.may_look(session, room)]

    def _is_banned(self, session: Session, room: Room) -> bool:
        if session.name and not self._admission.sanctions.any("ban", room.key):
            return False
        account = self._accounts.get(session.key) if session.registered else None
        checks: list[Callable[[], None]] = [lambda: self._admission.check_ban(session, room, session.key, account)]
        if not session.name:  # a server ban keeps it from logging in at all
            checks.append(lambda: self._admission.check_ban(session, None, "", None))
        try:
            for check in checks:
                check()
        except Banned:
            return True
        return False
