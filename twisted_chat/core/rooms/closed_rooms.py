"""Who is shut out of closed rooms, and which guests may come back into them: what a room's record remembers of its people.

1. An account is shut out from the moment when it can no longer come in until it is in again: see `core.rooms.shut_out`.
   That is looked at when somebody goes, is sent out or banned, when a policy changes, and at the start.
2. What is written down is saved with the room, if the room is kept.
3. A guest who is operator of a closed room that nobody owns is known again by a secret, also after a restart.
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

# Of how many guests a closed room remembers that they are its operators.
MOST_GUESTS = 100


class ClosedRooms:
    """Keeps the records of closed rooms."""

    def __init__(
        self,
        log: MessageLog,
        access: Access,
        people: Mapping[str, Sequence[Session]],
        accounts: Collection[str],
        save: Callable[[Room], None],
    ) -> None:
        """``people`` are all who are here, ``accounts`` the registered names, both by key; ``save`` keeps a room's record."""
        self._log = log
        self._access = access
        self._people = people
        self._accounts = accounts
        self._save = save

    def came_in(self, session: Session, room: Room) -> None:
        """Note that somebody comes into a room with the next event, under this name."""
        if session.registered:
            seq = self._log.number()
            room.entered.setdefault(session.key, seq)
            self._change(room, came_in(room.record.shut_out, session.key, seq))

    def sent_out(self, room: Room, account: str, seq: int) -> None:
        """Note that an account was sent out of a room by the event ``seq``."""
        if room.record.closed:
            self._change(room, shut(room.record.shut_out, account, seq))

    def banned(self, room: Room, target: str) -> None:
        """Note that a ban counts in a room from now on."""
        if room.policy.closed and target in self._accounts and not room.has(target):
            self.sent_out(room, target, self._log.newest)
        self.look_again(room)

    def look_again(self, room: Room) -> None:
        """Shut those out who are outside, and can't come in any more."""
        self.outside(room, tuple(room.record.shut_out))

    def outside(self, room: Room, accounts: Sequence[str], without: Session | None = None) -> None:
        """Shut those of these accounts out who are outside, and could not come in. The session ``without`` is about to go."""
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
        """Return what is hidden from somebody in each room they are in."""
        found = {room.key: self._access.readable(session, room) for room in session.rooms.values()}
        return {key: readable.hidden for key, readable in found.items() if readable and readable.hidden}

    def carry(self, session: Session, hidden: Mapping[str, Spans]) -> None:
        """Hide that from somebody also under another name, as long as they stay in the rooms."""
        for key, spans in hidden.items():
            session.rooms[key].carried[session.id] = spans

    def note_guests(self, room: Room) -> None:
        """Note which guests are operators of a room, and by what they are known."""
        here = {key: session for key, session in people_in(room).items() if key in room.granted and session.secrets}
        now = {key: tuple(secret.hex() for secret in _secrets(session)) for key, session in here.items()}
        absent = {key: secrets for key, secrets in room.record.guests.items() if not room.has(key)}
        room.record = replace(room.record, guests=dict([*absent.items(), *now.items()][-MOST_GUESTS:]))

    def forget_guest(self, room: Room, key: str) -> None:
        """Note that a guest has gone by their own will, or was sent out: the right does not outlast that."""
        if key in room.record.guests:
            guests = {one: known for one, known in room.record.guests.items() if one != key}
            room.record = replace(room.record, guests=guests)
            self._save(room)

    def is_back(self, session: Session, room: Room) -> bool:
        """Return True if a guest who was an operator of a closed room has come back, with the secret they had."""
        known = tuple(bytes.fromhex(secret) for secret in room.record.guests.get(session.key, ()))
        return not session.registered and one_in_common(known, _secrets(session))

    def _change(self, room: Room, changed: ShutOut) -> None:
        if changed is not room.record.shut_out:
            room.record = replace(room.record, shut_out=changed)
            if room.kept:
                self._save(room)


def _secrets(session: Session) -> tuple[bytes, ...]:
    return tuple(digest(secret + session.key.encode(), GUEST_OPERATOR) for secret in session.secrets)
