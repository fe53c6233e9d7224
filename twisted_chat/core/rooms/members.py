"""The sessions in a room. A room knows its readers only as `StreamMember`: see `core.delivery.stream`."""

from typing import cast

from twisted_chat.core.rooms.room import Room
from twisted_chat.core.users.session import Session


def sessions_in(room: Room) -> list[Session]:
    """Return every session in a room. A person with several connections has several."""
    return cast("list[Session]", list(room.readers.values()))


def people_in(room: Room) -> dict[str, Session]:
    """Return the people in a room by key, each with one of their sessions."""
    return {session.key: session for session in sessions_in(room)}
