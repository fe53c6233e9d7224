"""What people have made by a right they had: tokens and invitations. They end with the right.

1. A token ends when whoever made it may no longer rule its room: is its operator no more, or of the server, or their
   account is gone. One who is an operator by ``/oper`` makes it in the name of that account.
2. An invitation ends when whoever made it is sent out of the room, banned from it or from the server, or loses what
   their right to invite came from; and all of a room's end when it is closed.
3. Who is sent out or banned has used up their own invitation into that room, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from twisted_chat.core.logins.operators import Operators
from twisted_chat.core.records import Account, Invitation, Record
from twisted_chat.core.rooms import permissions
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.users.session import Role, Session
from twisted_chat.core.users.tokens import Tokens


class Grants:
    """Takes them back."""

    def __init__(
        self,
        rooms: Mapping[str, Room],
        people: Mapping[str, list[Session]],
        visitors: Iterable[Session],
        accounts: Mapping[str, Account],
        operators: Operators,
        tokens: Tokens,
        invitations: dict[str, Invitation],
        *,
        revoke: Callable[[str], None],
        keep_room: Callable[[Room], None],
        save: Callable[[Record], None],
        remove: Callable[[Sequence[Record]], None],
    ) -> None:
        """All is by key, but ``invitations`` are by digest. ``visitors`` have used an invitation, and have no name yet.

        ``revoke`` ends a token, by its digest, and removes it; ``save`` and ``remove`` do so with records.
        """
        self._rooms = rooms
        self._people = people
        self._visitors = visitors
        self._accounts = accounts
        self._operators = operators
        self._tokens = tokens
        self._invitations = invitations
        self._revoke = revoke
        self._keep_room = keep_room
        self._save = save
        self._remove = remove

    def maker(self, session: Session, room: Room) -> str:
        """Return the key in whose name somebody makes a token or an invitation: of whom the right to it is."""
        own = permissions.standing(session, room) >= Role.MODERATOR or (session.registered and session.key in self._operators)
        if not own and session.operator is not None and self._operators.proven_by(session.operator):
            return session.operator.key
        return session.key

    def rules(self, room: Room, key: str) -> bool:
        """Return whether somebody is an operator of a room, or of the server, whether they are here or not."""
        if key in self._accounts and (key in self._operators or key == room.record.owner or key in room.policy.operators):
            return True
        return key in room.granted

    def lost(self, key: str, room: Room | None = None, *, gone: bool = False) -> None:
        """Somebody may do less than before, in a room or, without one, anywhere: take back what they made by it.

        Of an account that is ``gone`` only codes that nobody has used end: who is invited by name goes on knowing the room.
        """
        for token in self._tokens.all():
            where = self._rooms.get(token.room)
            if token.by == key and where is not None and room in (None, where) and not self.rules(where, key):
                self._revoke(token.digest)
        for where in (room,) if room is not None else tuple(self._rooms.values()):
            if where.policy.closed and not self.rules(where, key):
                self._withdraw_codes(where, key)
                if not gone:
                    self.withdraw(where, by=key)

    def _withdraw_codes(self, room: Room, by: str | None) -> None:
        codes = [one for one in self._invitations.values() if one.room == room.key and by in (None, one.by)]
        for code in codes:
            del self._invitations[code.code]
        if codes:
            self._remove(codes)

    def withdraw(self, room: Room, *, by: str | None = None, to: str | None = None) -> None:
        """End invitations into a room: those that ``by`` has made, or those made to ``to``; without either, all."""
        if to is None:
            self._withdraw_codes(room, by)
        for session in self._people.get(to, ()) if to is not None else self._everybody():
            if room.key in session.invited and by in (None, session.invited[room.key]):
                session.invited = {one: maker for one, maker in session.invited.items() if one != room.key}
        policy = room.policy
        kept = [
            key
            for key in policy.invited
            if not (key == to if to is not None else by is None or policy.invited_by.get(key) == by)
        ]
        if len(kept) != len(policy.invited):
            makers = {key: maker for key, maker in policy.invited_by.items() if key in kept}
            room.change(invited=tuple(kept), invited_by=makers)
            self._keep_room(room)

    def _everybody(self) -> Iterable[Session]:
        return chain(self._visitors, chain.from_iterable(self._people.values()))

    def shut_out(self, key: str, room: Room | None = None) -> None:
        """Somebody was sent out of a room, or banned from it, or, without a room, from the server."""
        for where in (room,) if room is not None else tuple(self._rooms.values()):
            self.withdraw(where, by=key)
            self.withdraw(where, to=key)

    def renamed(self, session: Session, old: str) -> None:
        """Somebody who was called ``old`` has another name: what they made is theirs still, and ends as theirs."""
        if old in self._people or old in self._accounts:
            return
        for token in [token for token in self._tokens.all() if token.by == old]:
            self._save(self._tokens.replace(replace(token, by=session.key)))
        for code in [code for code in self._invitations.values() if code.by == old]:
            self._invitations[code.code] = replace(code, by=session.key)
            self._save(self._invitations[code.code])
        for room in session.rooms.values():
            if old in room.policy.invited_by.values():
                makers = {key: session.key if maker == old else maker for key, maker in room.policy.invited_by.items()}
                room.change(invited_by=makers)
                self._keep_room(room)
            for other in self._everybody():
                if other.invited.get(room.key) == old:
                    other.invited = {**other.invited, room.key: session.key}
