"""Checks before a session joins, speaks or writes privately: bans, mutes, lockdown, and a person's own settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted_chat.core.errors import Banned
from twisted_chat.core.logins.operators import Operators
from twisted_chat.core.records import Account, Sanction
from twisted_chat.core.rooms import permissions
from twisted_chat.core.rooms.bans import SERVER, Sanctions
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text.hostmask import matches
from twisted_chat.core.users.registry import Registry
from twisted_chat.core.users.session import Role, Session
from twisted_chat.core.users.settings import from_kept


class Admission:
    """The checks that raise `Banned` if a session may not join, speak, or write to a person."""

    def __init__(
        self,
        now: Callable[[], float],
        operators: Operators,
        people: Mapping[str, list[Session]],
        registry: Registry,
        facts: Mapping[str, str],
    ) -> None:
        self.sanctions = Sanctions()
        self._now = now
        self._operators = operators
        self._people = people
        self._registry = registry
        self._facts = facts

    def check_ban(self, session: Session, room: Room | None, key: str, account: Account | None) -> None:
        """Raise `Banned` if a session may not enter a room as ``key``, or, without a room, the server.

        Server operators may always enter.
        """
        if self._operators.proven_by(session.operator) or (account is not None and key in self._operators):
            return
        known = account is not None or session.token is not None
        if room is None and not known and self._facts.get("lockdown") == "on":
            raise Banned("Only registered names may come in now.")
        ban = self._against("ban", room, session, key)
        if ban is None or (room is not None and permissions.role(session, room, self._operators) >= Role.OWNER):
            return
        if room is None or not permissions.fits_any(session, room.policy.excepted, key):
            raise Banned(
                f"You are banned from {room.key if room else 'this chat'}" + (f": {ban.reason}" if ban.reason else ".")
            )

    def bans_name(self, room: Room, key: str) -> bool:
        """Return True if a ban keeps the account of this key out of a room from any host."""
        mask = f"{key}!*@*"
        rank = permissions.rank_of(key, room)
        bans = self.sanctions.hitting("ban", room.key, key, (mask,), "", self._now())
        hit = any(rank < Role.MODERATOR or not one.room or rank < one.rank for one in bans)
        return hit and rank < Role.OWNER and not any(matches(one, mask) for one in room.policy.excepted)

    def check_join(self, session: Session, room: Room, key: str, account: Account | None, *, is_back: bool) -> None:
        """Raise `Banned` or `ClosedRoom` if a session may not join a room. ``key`` is the room key it gave, or empty.

        A session that ``is_back`` is invited. For a private room, the error is the same for every cause.
        """
        try:
            self.check_ban(session, room, session.key, account)
            if is_back:
                session.invited = {**session.invited, room.key: session.key}
            permissions.admit(session, room, key, self._operators)
        except (Banned, permissions.ClosedRoom):
            if permissions.knows(session, room, self._operators):
                raise
            sentence = f"{room.key} cannot be joined. Choose another name, or ask for an invitation."
            raise permissions.ClosedRoom(sentence, "private") from None

    def check_mute(self, session: Session, room: Room | None) -> None:
        """Raise `Banned` if a session may not speak in a room, or, without a room, privately.

        A session that is banned from a room cannot speak there.
        """
        if not self.sanctions.all or permissions.is_operator(session, self._operators):
            return
        mute = self._against("mute", room, session)
        if mute is not None:
            why = f": {mute.reason}" if mute.reason else "."
            raise Banned(f"You can't speak {'in ' + mute.room if mute.room else 'here'} now{why}")
        if room is not None and self._against("ban", room, session) is not None:
            may = permissions.standing(session, room) >= Role.MODERATOR or permissions.has_voice(session, room)
            if not may and not permissions.fits_any(session, room.policy.excepted):
                raise Banned(f"You are banned from {room.key}, and can't speak there.")

    def _against(self, kind: str, room: Room | None, session: Session, key: str = "") -> Sanction | None:
        """Return the restriction on a session in a room, or on the whole server, under a ``key`` that may not be its own yet.

        A room's restriction applies to a room operator only if its author has a higher rank in the room.
        """
        where = room.key if room is not None else SERVER
        if not self.sanctions.any(kind, where):
            return None
        found = self.sanctions.hitting(kind, where, key or session.key, session.masks(key), session.way.address, self._now())
        for one in found:
            rank = permissions.standing(session, room) if room is not None and one.room else Role.MEMBER
            if rank < Role.MODERATOR or rank < one.rank:
                return one
        return None

    def check_consent(self, session: Session, key: str, shown: str) -> None:
        """Raise `Banned` if a session may not write privately to the person ``key``, whose name is ``shown``."""
        here = self._people.get(key)
        account = self._registry.accounts.get(key)
        if here:
            wants, known = here[0].settings.msgs, here[0].known
        elif account:
            wants, known = from_kept(account.settings).msgs, frozenset(account.known)
        else:
            return
        refused = wants == "none" or (wants == "known" and session.person not in known)
        if refused and not permissions.is_operator(session, self._operators):
            raise Banned(f"{shown} takes no private messages" + (" from people they don't know." if wants == "known" else "."))
