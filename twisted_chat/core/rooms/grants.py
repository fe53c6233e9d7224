"""Tokens and invitations: each ends with the right under which it was made.

1. A token ends when its maker is no longer an operator of its room or of the server, or has unregistered. An operator by
   ``/oper`` makes it in the name of the operator's account.
2. An invitation ends when its maker is removed from the room, banned from it or from the server, or loses the right to
   invite. All invitations into a room end when the room is closed.
3. A person's own invitation into a room also ends when the person is removed or banned.
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
    """The withdrawal of tokens and invitations."""

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
        """All mappings are by key, except ``invitations``, which are by digest.

        ``visitors`` are unnamed sessions that have used an invitation. ``revoke`` ends a token, by its digest, and removes
        it; ``save`` and ``remove`` save and remove records.
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
        """Return the key of the account whose right a session uses to make a token or an invitation."""
        own = permissions.standing(session, room) >= Role.MODERATOR or (session.registered and session.key in self._operators)
        if not own and session.operator is not None and self._operators.proven_by(session.operator):
            return session.operator.key
        return session.key

    def rules(self, room: Room, key: str) -> bool:
        """Return whether a key is an operator of a room or of the server, connected or not."""
        if key in self._accounts and (key in self._operators or key == room.record.owner or key in room.policy.operators):
            return True
        return key in room.granted

    def lost(self, key: str, room: Room | None = None, *, gone: bool = False) -> None:
        """Withdraw what a person made by a right they lost in a room, or, without a room, anywhere.

        If the account is ``gone``, only its unused codes end: people invited by name stay invited.
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
        """End the invitations into a room made by ``by``, or made to ``to``, or all of them."""
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
        """Withdraw all invitations by and to a person removed or banned from a room, or, without a room, from the server."""
        for where in (room,) if room is not None else tuple(self._rooms.values()):
            self.withdraw(where, by=key)
            self.withdraw(where, to=key)

    def renamed(self, session: Session, old: str) -> None:
        """Transfer the tokens and invitations made under the name ``old`` to the session's new name."""
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
