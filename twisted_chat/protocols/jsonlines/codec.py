"""Events as JSON objects and back, sans-I/O. Used by the server's protocol for programs and by the bundled client.

1. An object's ``type`` names the event's class (`TYPES`); its other members are the event's fields, by their names.
2. Fields of no use to a program are left out (`HIDDEN`), and so are those that are None.
3. What comes from others has no half of a surrogate pair in it: nothing could be done with such a text (`check_unicode`).
4. What is unknown is passed over when reading: a later server may send more than an earlier client knows.
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
KEPT_TYPES = tuple(TYPE_OF[kind] for kind in events.KEPT)  # what a history is made of: never another history
HIDDEN: dict[type, frozenset[str]] = {
    events.Told: frozenset({"room"}),
    events.Whispered: frozenset({"room"}),
    events.Receipt: frozenset({"text"}),
}
ALWAYS_HIDDEN = frozenset({"by"})
PLAIN = frozenset({str, int, float, bool})  # what stands in JSON as it is
LATEST = 253402300800.0  # the year 10000: no later time can be shown


def as_object(event: Event) -> dict[str, Any]:
    """An event as a JSON object."""
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
    """The fields of a noun that a program is told."""
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
    """The event a JSON object stands for; None if its type is unknown. Raises `ValueError` if a field is missing or odd."""
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
    """The types of a noun's fields."""
    return get_type_hints(kind)


def _missing(kind: type, name: str) -> Any:
    raise ValueError(f"{kind.__name__} without {name}")


def _read(value: Any, kind: Any) -> Any:
    """A JSON value as a field of this type. Raises `ValueError` if it is of another."""
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


# `json.dumps` makes one anew each time.
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def written(members: Mapping[str, Any]) -> bytes:
    """A JSON object in UTF-8, without a line end in it."""
    return ENCODER.encode(members).encode("utf-8", "replace")


def check_unicode(value: object) -> None:
    """Raise `BadText` if a JSON value has half of a surrogate pair in it, which ``\\ud800`` makes: that is no character."""
    try:
        ENCODER.encode(value).encode()
    except UnicodeEncodeError as error:
        half = ord(error.object[error.start])
        raise BadText(f"That is not Unicode: \\u{half:x} is one half of a character.") from None


def line(members: Mapping[str, Any]) -> bytes:
    """A JSON object as one line, with its LF."""
    return written(members) + b"\n"


class Json(Unstyled):
    """The dialect of programs: they are shown everything, their own messages too. All of them read the same bytes."""

    def pieces(self, events: Sequence[Event]) -> list[bytes]:
        """Each event as a JSON line."""
        return [line(as_object(event)) for event in events]

    def echoes(self, event: RoomEvent) -> bool:
        """Its own message, where it stands among the others', tells a program what everybody has seen."""
        return True


JSON = Json()
