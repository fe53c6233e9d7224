"""What a session may read now: which sequence numbers of which room or inbox, and whether it may look into a room at all.

1. Everything that shows what was said, or counts it, asks `Access.readable`, and asks again after each wait: meanwhile the
   person may have been sent out, and the room may have been closed, ended or made anew.
2. A room may be read by those who are in it, and by those who could come in now. A limit of people does not count; a key
   counts as unknown. A room for encrypted connections is for them alone.
3. Nothing is readable that was said before the room began; and of a room that was ever closed, an account may not read
   what was said while the account was shut out: see `core.rooms.shut_out`.
4. Of a private room those outside learn nothing. Of another room that they cannot come into they learn its name and size.
5. An inbox is for its owner.
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
    """The sequence numbers of a stream that somebody may read: all above ``begins``, but for the ``hidden`` spans."""

    begins: int = 0
    hidden: Spans = ()

    def allows(self, seq: int) -> bool:
        """Return True if the event of this number may be read."""
        return seq > self.begins and not any(first <= seq <= last for first, last in self.hidden)

    def start(self, after: int) -> int:
        """Return a position not below ``after`` from which everything may be read, to the end."""
        return max([after, self.begins, *(last for _, last in self.hidden if last < OPEN)])

    def up(self, after: int) -> int:
        """Return ``after``, or a higher number if nothing that follows may be read up to there."""
        after = max(after, self.begins)
        for first, last in self.hidden:
            if first <= after + 1 <= last:
                after = last
        return after

    def down(self, before: int) -> int:
        """Return ``before``, or a lower number if nothing that precedes it may be read down to there."""
        for first, last in reversed(self.hidden):
            if first < before <= last + 1:
                before = first
        return before

    def spans(self) -> list[Span]:
        """Return what may be read as spans, lowest first."""
        found: list[Span] = []
        first = self.begins + 1
        for low, high in self.hidden:
            if low > first:
                found.append((first, low - 1))
            first = max(first, high + 1)
        return [*found, (first, OPEN)] if first < OPEN else found


class Access:
    """Decides what a session may read."""

    def __init__(
        self,
        admission: Admission,
        tokens: Tokens,
        rooms: Mapping[str, Room],
        accounts: Mapping[str, Account],
        operators: Operators,
    ) -> None:
        """``rooms`` are all there are, ``accounts`` too, both by key; ``operators`` are the server's."""
        self._admission = admission
        self._tokens = tokens
        self._rooms = rooms
        self._accounts = accounts
        self._operators = operators

    def readable(self, session: Session, stream: Stream) -> Readable | None:
        """Return what somebody may read of a room or an inbox now; None if that is nothing."""
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
        """Return True if somebody may know who is in a room, what it is about, and what happens there."""
        if session.gone or self._rooms.get(room.key) is not room or permissions.exposed(session, room):
            return False
        if session.rooms.get(room.key) is room:
            return True
        if session.token is not None and session.token.room == room.key:
            return self._tokens.get(session.token.digest) is not None and not self._is_banned(session, room)
        return permissions.may_see(session, room, self._operators) and self.could_come_in(session, room)

    def could_come_in(self, session: Session, room: Room, *, with_key: bool = False) -> bool:
        """Return True if somebody could join a room now, limits aside: without its key, or ``with_key``."""
        if self._is_banned(session, room):
            return False
        try:
            permissions.admit(session, room, room.policy.key if with_key else "", self._operators)
        except ClosedRoom as error:
            return error.why == "limit"
        return True

    def shuts_out(self, room: Room, account: str, sessions: Iterable[Session]) -> bool:
        """Return True if a room does not let in an account that was there before, which is on these ``sessions`` now.

        They know the key, unless it has changed since the room was saved last. So also for a room that is private only since.
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
        """Return those of the rooms that somebody may look into."""
        return [room for room in rooms if self.may_look(session, room)]

    def _is_banned(self, session: Session, room: Room) -> bool:
        if session.name and not self._admission.sanctions.any("ban", room.key):
            return False
        account = self._accounts.get(session.key) if session.registered else None
        checks: list[Callable[[], None]] = [lambda: self._admission.check_ban(session, room, session.key, account)]
        if not session.name:  # could not even come in
            checks.append(lambda: self._admission.check_ban(session, None, "", None))
        try:
            for check in checks:
                check()
        except Banned:
            return True
        return False
