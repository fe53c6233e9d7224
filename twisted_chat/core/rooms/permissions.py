"""Permissions in rooms, and room policies. Pure: each function depends only on its arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted_chat.core.errors import Banned, ChatError
from twisted_chat.core.logins.operators import Operators
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text.hostmask import matches
from twisted_chat.core.text.sanitize import as_key
from twisted_chat.core.users.session import Role, Session


class ClosedRoom(ChatError):
    """A room is not open to a session. ``why`` is invite-only, registered, encrypted, key, limit, or private (no reason)."""

    code = "not-invited"

    def __init__(self, text: str, why: str) -> None:
        super().__init__(text)
        self.why = why


def is_operator(session: Session, operators: Operators) -> bool:
    """Return whether a session is a server operator, by name or by ``/oper``, as long as its proof is valid."""
    return (session.registered and session.key in operators) or (
        session.operator is not None and operators.proven_by(session.operator)
    )


def standing(session: Session, room: Room) -> Role:
    """Return a session's role by the room's own record: OWNER, MODERATOR or MEMBER.

    In a room without an owner, every operator has the role of an owner.
    """
    if session.registered and room.record.owner == session.key:
        return Role.OWNER
    if session.key in room.granted or (session.registered and session.key in room.policy.operators):
        return Role.MODERATOR if room.lasts else Role.OWNER
    return Role.MEMBER


def rank_of(key: str, room: Room) -> Role:
    """Return the role of a registered name by the room's own record, even if its owner is not connected."""
    if room.record.owner == key:
        return Role.OWNER
    if key in room.policy.operators:
        return Role.MODERATOR if room.lasts else Role.OWNER
    return Role.MEMBER


def has_voice(session: Session, room: Room) -> bool:
    """Return whether a session may speak in a moderated room without being its operator."""
    return session.vouched_in(room) or session.key in room.voiced or (session.registered and session.key in room.policy.voices)


def role(session: Session, room: Room | None, operators: Operators) -> Role:
    """Return a session's role in a room."""
    if not session.name:
        return Role.VISITOR
    if is_operator(session, operators):
        return Role.OPERATOR
    here = standing(session, room) if room is not None else Role.MEMBER
    return max(here, Role.REGISTERED if session.registered else Role.MEMBER)


def exposed(session: Session, room: Room) -> bool:
    """Return whether a room is for encrypted connections and the session's connection is not encrypted."""
    return room.policy.encrypted and not session.way.encrypted


def admit(session: Session, room: Room, key: str, operators: Operators) -> None:
    """Raise `ClosedRoom` if the room's policy does not admit a session. ``key`` is the room key it gave, or empty.

    An `exposed` session is never admitted, even if it is invited or an operator.
    """
    policy = room.policy
    if exposed(session, room):
        raise ClosedRoom(f"{room.key} is open only to encrypted connections.", "encrypted")
    if is_invited(session, room) or role(session, room, operators) >= Role.MODERATOR:
        return
    if policy.invite_only and not fits_any(session, policy.welcome):
        raise ClosedRoom(f"{room.key} is open only to those who were invited.", "invite-only")
    if policy.registered and not session.registered:
        raise ClosedRoom(f"{room.key} is open only to registered names. See /help register", "registered")
    if policy.key and as_key(key) != policy.key:
        raise ClosedRoom(f"{room.key} needs its key: /join {room.key} KEY", "key")
    if policy.limit and not room.has(session.key) and room.size >= policy.limit:
        raise ClosedRoom(f"{room.key} is full: it takes {policy.limit}.", "limit")


def knows(session: Session, room: Room, operators: Operators) -> bool:
    """Return True if a session may learn why it cannot join a room: the room is public, or it is a member or invited."""
    if not room.policy.private or room.has(session.key) or role(session, room, operators) >= Role.MODERATOR:
        return True
    return is_invited(session, room)


def is_invited(session: Session, room: Room) -> bool:
    """Return True if a session may join whatever the policy, except a room for encrypted connections if it is `exposed`."""
    return (
        session.vouched_in(room) or room.key in session.invited or (session.registered and session.key in room.policy.invited)
    )


def fits_any(session: Session, masks: Iterable[str], key: str = "") -> bool:
    """Return whether one of these masks matches a session, under a ``key`` that may not be its own yet."""
    theirs = session.masks(key)
    return any(matches(one, mask) for one in masks for mask in theirs)


def may_see(session: Session, room: Room, operators: Operators) -> bool:
    """Return whether a session may see that a room exists, and what is in it."""
    return not room.policy.private or room.key in session.rooms or is_operator(session, operators)


def may_speak(session: Session, room: Room, operators: Operators, clock: Callable[[], float]) -> None:
    """Raise `Banned` if the room's policy does not let a session speak now. ``clock`` returns monotonic seconds."""
    policy = room.policy
    if not (policy.slow or policy.moderated) or role(session, room, operators) >= Role.MODERATOR:
        return
    if policy.moderated and not has_voice(session, room):
        raise Banned(f"{room.key} is moderated: only operators and those with a voice speak there.")
    slow = policy.slow
    if slow:
        now = clock()
        last = room.spoken.get(session.key)
        if last is not None and now < last + slow:
            raise Banned(f"{room.key} is slow: you can speak again in {last + slow - now:.0f} seconds.")
        room.spoken[session.key] = now
        if len(room.spoken) > 2 * len(room.readers) + 100:
            room.spoken = {key: then for key, then in room.spoken.items() if now < then + slow}
