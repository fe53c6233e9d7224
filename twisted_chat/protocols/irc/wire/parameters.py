"""The parameters of LIST, WHO, CHATHISTORY and MARKREAD, sans-I/O.

1. LIST: the conditions of ISUPPORT ELIST=CMNTU. A channel must meet all of them, and match one of the names or masks.
2. WHO: the fields of IRCv3 ``whox``. The reply has the order of the specification, not that of the request.
3. CHATHISTORY and MARKREAD: IRCv3 ``chathistory`` and ``read-marker``. A message's id is its sequence number.
4. A time has milliseconds, as ``server-time`` shows it. Compare `milliseconds` of both sides; otherwise a client that asks
   for the messages after a message is shown that message again.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from twisted_chat.core.errors import BadText
from twisted_chat.core.text.hostmask import matches
from twisted_chat.core.text.names import fold

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_CONDITION = re.compile(r"([CT]?)([<>])(\d{1,9})", re.ASCII | re.IGNORECASE)


# LIST


@dataclass(frozen=True, slots=True)
class Bounds:
    """Exclusive lower and upper bounds of a number; None is no bound."""

    more: int | None = None
    less: int | None = None

    def hold(self, value: float | None) -> bool:
        """Return True if a value lies between the bounds. A missing value meets no bound."""
        if value is None:
            return self == Bounds()
        return (self.more is None or value > self.more) and (self.less is None or value < self.less)


@dataclass(frozen=True, slots=True)
class ListConditions:
    """The conditions for channels that LIST shows."""

    people: Bounds = Bounds()
    created: Bounds = Bounds()  # minutes ago
    topic: Bounds = Bounds()  # minutes ago
    masks: tuple[str, ...] = ()  # folded; names are masks without wildcards
    not_masks: tuple[str, ...] = ()

    def match(self, channel: str, people: int, created: float | None, topic: float | None) -> bool:
        """Return True if a channel of this key, with ``people`` members, meets the conditions.

        ``created`` and ``topic`` are ages in seconds; None if there is no topic, or the client may not know.
        """
        return (
            self.people.hold(people)
            and self.created.hold(None if created is None else created / 60)
            and self.topic.hold(None if topic is None else topic / 60)
            and (not self.masks or any(matches(mask, channel) for mask in self.masks))
            and not any(matches(mask, channel) for mask in self.not_masks)
        )


def parse_list(params: Sequence[str]) -> ListConditions:
    """Parse the parameters of LIST. A word that is no condition is a name or a mask."""
    bounds = {"": Bounds(), "C": Bounds(), "T": Bounds()}
    masks: list[str] = []
    not_masks: list[str] = []
    for word in (word for param in params[:1] for word in param.split(",") if word):
        match = _CONDITION.fullmatch(word)
        if match is not None:
            what, number = match[1].upper(), int(match[3])
            more = match[2] == ">"
            bounds[what] = replace(bounds[what], more=number) if more else replace(bounds[what], less=number)
        elif word.startswith("!"):
            not_masks.append(_fold_channel(word[1:]))
        else:
            masks.append(_fold_channel(word))
    return ListConditions(bounds[""], bounds["C"], bounds["T"], tuple(masks), tuple(not_masks))


def _fold_channel(mask: str) -> str:
    return "#" + fold(mask[1:]).casefold() if mask.startswith("#") else fold(mask).casefold()


# WHO

WHOX_FIELDS = "tcuihsnfdlaor"


@dataclass(frozen=True, slots=True)
class Whox:
    """The fields that a WHO asks for."""

    fields: str  # in the order of `WHOX_FIELDS`
    token: str = "0"  # noqa: S105  it is no secret

    def row(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Return one user's fields; ``values`` has one for each letter but ``t``."""
        return tuple(self.token if letter == "t" else values[letter] for letter in self.fields)


def parse_whox(param: str) -> Whox | None:
    """Parse the second parameter of WHO; None if it is not ``whox``. Ignore flags before the ``%`` and unknown fields."""
    _, percent, asked = param.partition("%")
    if not percent:
        return None
    letters, _, token = asked.partition(",")
    fields = "".join(letter for letter in WHOX_FIELDS if letter in letters)
    return Whox(fields, token if re.fullmatch("[0-9]{1,3}", token) else "0")


# Times and CHATHISTORY


class BadQuery(BadText):
    """A malformed CHATHISTORY or MARKREAD. ``fail`` has the parameters of FAIL between the command and the text."""

    def __init__(self, text: str, *fail: str) -> None:
        super().__init__(text)
        self.fail = fail


def milliseconds(time: float) -> int:
    """Convert seconds since 1970 to the milliseconds that clients are shown."""
    return round(time * 1000)


def format_time(ms: int) -> str:
    """Format milliseconds since 1970 for ``server-time``: ``2019-01-04T14:33:26.123Z``."""
    time = _EPOCH + timedelta(milliseconds=ms)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}Z".zfill(24)


def parse_time(text: str) -> int:
    """Return ``2019-01-04T14:33:26.123Z`` as milliseconds since 1970. Raise `ValueError` on other forms."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("not a time")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    time = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    return (time - _EPOCH) // timedelta(milliseconds=1) + int((match[7] or "")[:3].ljust(3, "0"))


@dataclass(frozen=True, slots=True)
class Selector:
    """A place in a history: a message's number, or a time in `milliseconds`. ``*`` has neither."""

    seq: int | None = None
    time: int | None = None


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """A CHATHISTORY command. BETWEEN and TARGETS have an ``end``; TARGETS has no ``target``."""

    kind: str
    target: str
    start: Selector
    end: Selector | None
    limit: int


SUBCOMMANDS = {"BEFORE": 4, "AFTER": 4, "LATEST": 4, "AROUND": 4, "BETWEEN": 5, "TARGETS": 4}


def parse_history(params: Sequence[str]) -> HistoryQuery:
    """Parse the parameters of CHATHISTORY. Raise `BadQuery` on an error."""
    if not params:
        raise BadQuery("Missing parameters", "INVALID_PARAMS", "*")
    kind = params[0].upper()
    if kind not in SUBCOMMANDS:
        raise BadQuery("Unknown command", "INVALID_PARAMS", params[0])
    if len(params) < SUBCOMMANDS[kind]:
        raise BadQuery("Missing parameters", "INVALID_PARAMS", params[0])
    if len(params) > SUBCOMMANDS[kind]:
        raise BadQuery("Too many parameters", "INVALID_PARAMS", params[0])
    target, words = ("", params[1:-1]) if kind == "TARGETS" else (params[1], params[2:-1])
    start, *more = [_selector(kind, word) for word in words]
    limit = params[-1]
    if not re.fullmatch("[0-9]{1,9}", limit):
        raise BadQuery("The limit is not a number", "INVALID_PARAMS", params[0], limit)
    return HistoryQuery(kind, target, start, more[0] if more else None, int(limit))


def _selector(kind: str, word: str) -> Selector:
    name, _, value = word.partition("=")
    if word == "*" and kind == "LATEST":
        return Selector()
    if name == "timestamp":
        try:
            return Selector(time=parse_time(value))
        except ValueError:
            pass
    elif name == "msgid" and kind != "TARGETS" and re.fullmatch("[0-9]{1,18}", value):
        return Selector(seq=int(value))
    raise BadQuery("That is no place in a history", "INVALID_PARAMS", kind, word)


def parse_marker(param: str) -> int:
    """Return the time that MARKREAD sets, in `milliseconds`. Raise `BadQuery` on an error."""
    name, _, value = param.partition("=")
    try:
        if name == "timestamp":
            return parse_time(value)
    except ValueError:
        pass
    raise BadQuery("That is no time", "INVALID_PARAMS", param)
