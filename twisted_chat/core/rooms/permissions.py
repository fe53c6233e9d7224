"""Who may do what, and who may come in. Pure: everything is decided from what is passed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted_chat.core.errors import Banned, ChatError
from twisted_chat.core.logins.operators import Operators
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text.hostmask import matches
from twisted_chat.core.text.sanitize import as_key
from twisted_chat.core.users.session import Role, Session


class ClosedRoom(ChatError):
    """The room is not open to this person. ``why`` is invite-only, registered, encrypted, key, limit, or, untold, private."""

    code = "not-invited"

    def __init__(self, text: str, why: str) -> None:
        super().__init__(text)
        self.why = why


def is_operator(session: Session, operators: Operators) -> bool:
    """Whether somebody is an operator of the server, by name or by ``/oper``, for as long as the proof of it holds."""
    return (session.registered and session.key in operators) or (
        session.operator is not None and operators.proven_by(session.operator)
    )


def standing(session: Session, room: Room) -> Role:
    """What a person is in a room by the room's own word: OWNER, MODERATOR or MEMBER.

    In a room that nobody owns all operators are alike: each may do there what an owner may.
    """
    if session.registered and room.record.owner == session.key:
        return Role.OWNER
    if session.key in room.granted or (session.registered and session.key in room.policy.operators):
        return Role.MODERATOR if room.lasts else Role.OWNER
    return Role.MEMBER


def rank_of(key: str, room: Room) -> Role:
    """Return what a registered name is in a room by the room's own word, whoever is here."""
    if room.record.owner == key:
        return Role.OWNER
    if key in room.policy.operators:
        return Role.MODERATOR if room.lasts else Role.OWNER
    return Role.MEMBER


def has_voice(session: Session, room: Room) -> bool:
    """Whether a person may speak while the room is moderated, without being its operator."""
    return session.vouched_in(room) or session.key in room.voiced or (session.registered and session.key in room.policy.voices)


def role(session: Session, room: Room | None, operators: Operators) -> Role:
    """What a person may do in a room."""
    if not session.name:
        return Role.VISITOR
    if is_operator(session, operators):
        return Role.OPERATOR
    here = standing(session, room) if room is not None else Role.MEMBER
    return max(here, Role.REGISTERED if session.registered else Role.MEMBER)


def exposed(session: Session, room: Room) -> bool:
    """Whether what is said in a room for encrypted connections could be read on this person's way."""
    return room.policy.encrypted and not session.way.encrypted


def admit(session: Session, room: Room, key: str, operators: Operators) -> None:
    """Raises `ClosedRoom` if the room's policy does not let this person in. ``key`` is the room key they gave, or empty.

    Invited or not, operator or not: `exposed` is nobody let in.
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
    """Return True if a person may be told why they cannot come into a room: it is public, or they are of it, or asked in."""
    if not room.policy.private or room.has(session.key) or role(session, room, operators) >= Role.MODERATOR:
        return True
    return is_invited(session, room)


def is_invited(session: Session, room: Room) -> bool:
    """Return True if somebody needs no key, and nothing else but an encrypted connection where that is asked for."""
    return (
        session.vouched_in(room) or room.key in session.invited or (session.registered and session.key in room.policy.invited)
    )


def fits_any(session: Session, masks: Iterable[str], key: str = "") -> bool:
    """Whether one of these masks means a person, under a key that may not be theirs yet."""
    theirs = session.masks(key)
    return any(matches(one, mask) for one in masks for mask in theirs)


def may_see(session: Session, room: Room, operators: Operators) -> bool:
    """Whether a person may be told that a room is there, and what is in it."""
    return not room.policy.private or room.key in session.rooms or is_operator(session, operators)


def may_speak(session: Session, room: Room, operators: Operators, clock: Callable[[], float]) -> None:
    """Raises `Banned` if the room's policy keeps this person quiet now. ``clock`` gives monotonic seconds."""
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
