"""Room records of the accounts shut out of closed rooms, and of the guests who may come back into them.

1. An account is shut out from the moment when it can no longer join until it is in the room again: see
   `core.rooms.shut_out`. This is checked when a member leaves, is removed or banned, when a policy changes, and at the start.
2. These notes are saved with the room, if the room is kept.
3. A guest who is operator of a closed room without an owner is recognized by a secret, even after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from twisted_chat.core.digests import GUEST_OPERATOR, digest, one_in_common
from twisted_chat.core.interfaces import MessageLog
from twisted_chat.core.rooms.access import Access
from twisted_chat.core.rooms.members import people_in
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.rooms.shut_out import OTHERS, ShutOut, Spans, came_in, is_shut, shut
from twisted_chat.core.users.session import Session

# The most guest operators that a closed room remembers.
MOST_GUESTS = 100


class ClosedRooms:
    """The keeper of these notes in room records."""

    def __init__(
        self,
        log: MessageLog,
        access: Access,
        people: Mapping[str, Sequence[Session]],
        accounts: Collection[str],
        save: Callable[[Room], None],
    ) -> None:
        """``people`` are the connected people and ``accounts`` the registered names, both by key; ``save`` saves a room."""
        self._log = log
        self._access = access
        self._people = people
        self._accounts = accounts
        self._save = save

    def came_in(self, session: Session, room: Room) -> None:
        """Note that a session joins a room with the next event, under its current name."""
        if session.registered:
            seq = self._log.number()
            room.entered.setdefault(session.key, seq)
            self._change(room, came_in(room.record.shut_out, session.key, seq))

    def sent_out(self, room: Room, account: str, seq: int) -> None:
        """Note that the event ``seq`` removed an account from a room."""
        if room.record.closed:
            self._change(room, shut(room.record.shut_out, account, seq))

    def banned(self, room: Room, target: str) -> None:
        """Note that a ban applies in a room from now on."""
        if room.policy.closed and target in self._accounts and not room.has(target):
            self.sent_out(room, target, self._log.newest)
        self.look_again(room)

    def look_again(self, room: Room) -> None:
        """Shut out the known accounts that are outside the room and can no longer join it."""
        self.outside(room, tuple(room.record.shut_out))

    def outside(self, room: Room, accounts: Sequence[str], without: Session | None = None) -> None:
        """Shut out those of ``accounts`` that are outside the room and cannot join it. ``without`` is a leaving session."""
        if not room.record.closed:
            return
        changed = room.record.shut_out
        for key in accounts:
            if key == OTHERS:
                shuts = room.policy.closed
            elif is_shut(changed, key) or room.has(key):
                continue
            else:
                sessions = [session for session in self._people.get(key, ()) if session is not without]
                shuts = self._access.shuts_out(room, key, sessions)
            if shuts:
                changed = shut(changed, key, self._log.newest)
        self._change(room, changed)

    def hidden_from(self, session: Session) -> dict[str, Spans]:
        """Return the spans that are hidden from a session, for each of its rooms."""
        found = {room.key: self._access.readable(session, room) for room in session.rooms.values()}
        return {key: readable.hidden for key, readable in found.items() if readable and readable.hidden}

    def carry(self, session: Session, hidden: Mapping[str, Spans]) -> None:
        """Keep these spans hidden from a session under its new name, as long as it stays in the rooms."""
        for key, spans in hidden.items():
            session.rooms[key].carried[session.id] = spans

    def note_guests(self, room: Room) -> None:
        """Note the guest operators of a room and the digests of their secrets."""
        here = {key: session for key, session in people_in(room).items() if key in room.granted and session.secrets}
        now = {key: tuple(secret.hex() for secret in _secrets(session)) for key, session in here.items()}
        absent = {key: secrets for key, secrets in room.record.guests.items() if not room.has(key)}
        room.record = replace(room.record, guests=dict([*absent.items(), *now.items()][-MOST_GUESTS:]))

    def forget_guest(self, room: Room, key: str) -> None:
        """Forget a guest operator who left or was removed: leaving ends the right."""
        if key in room.record.guests:
            guests = {one: known for one, known in room.record.guests.items() if one != key}
            room.record = replace(room.record, guests=guests)
            self._save(room)

    def is_back(self, session: Session, room: Room) -> bool:
        """Return True if a session is a guest operator of a closed room who has come back with the same secret."""
        known = tuple(bytes.fromhex(secret) for secret in room.record.guests.get(session.key, ()))
        return not session.registered and one_in_common(known, _secrets(session))

    def _change(self, room: Room, changed: ShutOut) -> None:
        if changed is not room.record.shut_out:
            room.record = replace(room.record, shut_out=changed)
            if room.kept:
                self._save(room)


def _secrets(session: Session) -> tuple[bytes, ...]:
    return tuple(digest(secret + session.key.encode(), GUEST_OPERATOR) for secret in session.secrets)
