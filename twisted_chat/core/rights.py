"""Who may do what, and who may come in. Pure: everything is decided from what is passed in."""

from __future__ import annotations

from collections.abc import Container

from twisted_chat.core.errors import Banned, ChatError
from twisted_chat.core.room import Room
from twisted_chat.core.session import Role, Session
from twisted_chat.core.text import as_key


class ClosedRoom(ChatError):
    """The room is not open to this person."""

    code = "not-invited"


def role(session: Session, room: Room | None, operators: Container[str]) -> Role:
    """What a person may do in a room. ``operators`` holds the keys of the server's operators."""
    if not session.name:
        return Role.VISITOR
    if not session.registered:
        return Role.MEMBER
    if session.key in operators:
        return Role.OPERATOR
    if room is not None:
        if room.record.owner == session.key:
            return Role.OWNER
        if session.key in room.policy.operators:
            return Role.MODERATOR
    return Role.REGISTERED


def exposed(session: Session, room: Room) -> bool:
    """Whether what is said in a room for encrypted connections could be read on this person's way."""
    return room.policy.encrypted and not session.way.encrypted


def admit(session: Session, room: Room, key: str, operators: Container[str]) -> None:
    """Raises `ClosedRoom` if the room's policy does not let this person in. ``key`` is the room key they gave, or empty.

    Invited or not, operator or not: `exposed` is nobody let in.
    """
    policy = room.policy
    if exposed(session, room):
        raise ClosedRoom(f"{room.key} is open only to encrypted connections.")
    invited = room.key in session.invited or (session.registered and session.key in policy.invited)
    if invited or role(session, room, operators) >= Role.MODERATOR:
        return
    if policy.invite_only:
        raise ClosedRoom(f"{room.key} is open only to those who were invited.")
    if policy.registered and not session.registered:
        raise ClosedRoom(f"{room.key} is open only to registered names. See /help register")
    if policy.key and as_key(key) != policy.key:
        raise ClosedRoom(f"{room.key} needs its key: /join {room.key} KEY")


def may_see(session: Session, room: Room, operators: Container[str]) -> bool:
    """Whether a person may be told that a room is there, and what is in it."""
    return not room.policy.private or room.key in session.rooms or session.key in operators


def may_speak(session: Session, room: Room, operators: Container[str], clock: float) -> None:
    """Raises `Banned` if the room is slow and this person has just spoken. ``clock`` is in monotonic seconds."""
    slow = room.policy.slow
    if slow and role(session, room, operators) < Role.MODERATOR:
        last = room.spoken.get(session.key)
        if last is not None and clock < last + slow:
            raise Banned(f"{room.key} is slow: you can speak again in {last + slow - clock:.0f} seconds.")
        room.spoken[session.key] = clock
        if len(room.spoken) > 2 * len(room.readers) + 100:
            room.spoken = {key: then for key, then in room.spoken.items() if clock < then + slow}
