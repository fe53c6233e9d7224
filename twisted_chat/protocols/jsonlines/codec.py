"""A codec between events and JSON objects, sans-I/O, for the server's protocol for programs and for the bundled client.

1. An object's ``type`` names the event's class (`TYPES`); its other members are the event's fields, by their names.
2. Fields without use to a program (`HIDDEN`), and fields that are None, are left out.
3. A client's text with half of a surrogate pair is rejected: it cannot be encoded (`check_unicode`).
4. A reader ignores unknown types and members: a later server may send more than an earlier client knows.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from twisted_chat.core import events
from twisted_chat.core.delivery.batch import Unstyled
from twisted_chat.core.errors import BadText
from twisted_chat.core.events import Event, RoomEvent

TYPES: dict[str, type[Event]] = {
    "said": events.Said,
    "emoted": events.Emoted,
    "told": events.Told,
    "whispered": events.Whispered,
    "noticed": events.Noticed,
    "joined": events.Joined,
    "left": events.Left,
    "kicked": events.Kicked,
    "renamed": events.Renamed,
    "topic": events.TopicSet,
    "changed": events.Changed,
    "described": events.Described,
    "deleted": events.Deleted,
    "notice": events.Notice,
    "welcome": events.Welcome,
    "receipt": events.Receipt,
    "people": events.People,
    "rooms": events.RoomList,
    "history": events.History,
    "found": events.Found,
    "help": events.Help,
    "whois": events.Whois,
    "invited": events.Invited,
    "listing": events.Listing,
    "remark": events.Remark,
    "error": events.Refused,
    "ok": events.Done,
    "pong": events.Pong,
}
TYPE_OF = {kind: name for name, kind in TYPES.items()}
KEPT_TYPES = tuple(TYPE_OF[kind] for kind in events.KEPT)  # the types in a history, which excludes another history
HIDDEN: dict[type, frozenset[str]] = {
    events.Told: frozenset({"room"}),
    events.Whispered: frozenset({"room"}),
    events.Receipt: frozenset({"text"}),
}
ALWAYS_HIDDEN = frozenset({"by"})
PLAIN = frozenset({str, int, float, bool})  # types that JSON takes unchanged
LATEST = 253402300800.0  # the year 10000, the limit of times that can be shown


def as_object(event: Event) -> dict[str, Any]:
    """Return an event as a JSON object."""
    return {"type": TYPE_OF[type(event)], **_members(event)}


def _members(noun: Any) -> dict[str, Any]:
    members: dict[str, Any] = {}
    kind: type = type(noun)
    for name in _shown(kind):
        value = getattr(noun, name)
        if value is not None:
            members[name] = value if type(value) in PLAIN else _value(value)
    return members


@cache
def _shown(kind: type) -> tuple[str, ...]:
    """Return the names of the fields that a program receives."""
    hidden = HIDDEN.get(kind, frozenset()) | ALWAYS_HIDDEN
    return tuple(field.name for field in fields(kind) if field.name not in hidden)


def _value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_value(one) for one in value]
    if type(value) in TYPE_OF:
        return as_object(value)
    if is_dataclass(value):
        return _members(value)
    return value


def as_event(members: object) -> Event | None:
    """Return a JSON object as an event, or None if its type is unknown. Raise `ValueError` if a field is missing or invalid."""
    if not isinstance(members, dict):
        raise ValueError("an event is an object")
    kind = TYPES.get(str(members.get("type")))
    return None if kind is None else _noun(kind, members)


def _noun(kind: type, members: dict[str, Any]) -> Any:
    values: dict[str, Any] = {}
    kinds = _kinds(kind)
    for field in fields(kind):
        if field.name in members:
            values[field.name] = _read(members[field.name], kinds[field.name])
        elif field.default is MISSING:
            values[field.name] = "" if field.name in HIDDEN.get(kind, ()) else _missing(kind, field.name)
    return kind(**values)


@cache
def _kinds(kind: type) -> dict[str, Any]:
    """Return the types of an event class's fields."""
    return get_type_hints(kind)


def _missing(kind: type, name: str) -> Any:
    raise ValueError(f"{kind.__name__} without {name}")


def _read(value: Any, kind: Any) -> Any:
    """Return a JSON value as a field of this type. Raise `ValueError` if it has another type."""
    if kind == events.KeptEvent:
        return as_event(value)
    if isinstance(kind, UnionType):  # with None
        return None if value is None else _read(value, get_args(kind)[0])
    if get_origin(kind) is tuple and isinstance(value, list):
        return _read_list(value, *get_args(kind))
    if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        return _noun(kind, value)
    if kind is float and type(value) in (int, float) and 0 <= value < LATEST:
        return value
    if kind is not float and type(value) is kind:
        return value
    raise ValueError(f"no {kind}: {value!r:.40}")


def _read_list(value: list[Any], first: Any, *others: Any) -> tuple[Any, ...]:
    if others != (Ellipsis,):
        return tuple(_read(one, kind) for one, kind in zip(value, (first, *others), strict=True))
    if first == events.KeptEvent:
        value = [one for one in value if isinstance(one, dict) and one.get("type") in KEPT_TYPES]
    return tuple(_read(one, first) for one in value)


# A shared encoder: `json.dumps` creates a new one for each call.
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def written(members: Mapping[str, Any]) -> bytes:
    """Return a JSON object in UTF-8, without line ends."""
    return ENCODER.encode(members).encode("utf-8", "replace")


def check_unicode(value: object) -> None:
    """Raise `BadText` if a JSON value contains half of a surrogate pair, such as ``\\ud800``, which is not a character."""
    try:
        ENCODER.encode(value).encode()
    except UnicodeEncodeError as error:
        half = ord(error.object[error.start])
        raise BadText(f"That is not Unicode: \\u{half:x} is one half of a character.") from None


def line(members: Mapping[str, Any]) -> bytes:
    """Return a JSON object as one line, with its LF."""
    return written(members) + b"\n"


class Json(Unstyled):
    """The dialect of programs, which receive every event, their own messages too. All of them receive the same bytes."""

    def pieces(self, events: Sequence[Event]) -> list[bytes]:
        """Return each event as a JSON line."""
        return [line(as_object(event)) for event in events]

    def echoes(self, event: RoomEvent) -> bool:
        """Return True: a program's own messages, in their places among the others, show it what all users have seen."""
        return True


JSON = Json()
