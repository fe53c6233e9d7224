"""Personal settings. Each is declared once, with its choices and its explanation.

Settings of a registered name are kept with it; a guest's settings last as long as the connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import Enum
from typing import Any

from twisted_chat.core.errors import NotUnderstood


class Receipts(Enum):
    """The choices of when a person at a terminal is sent receipts. Programs always are."""

    ALONE = "alone"  # only a person alone in the room: in company, others' replies are enough
    ALWAYS = "always"
    NEVER = "never"


def choice(*choices: str, doc: str) -> Any:
    """Return a setting that takes one of these words; the first is the default."""
    return field(default=choices[0], metadata={"choices": choices, "doc": doc})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One person's settings."""

    receipts: str = choice(*(one.value for one in Receipts), doc="when the server says that it has your message")
    stamps: str = choice("on", "off", doc="the time before each message")
    colour: str = choice("off", "on", doc="names in colour, for terminals that can")
    bell: str = choice("off", "mention", "all", doc="ring the terminal's bell when you are named, or at each message")
    fold: str = choice("on", "off", doc="fold long lines, so that no text looks like a line of the server's")
    quiet: str = choice("off", "on", doc="don't show who comes and goes")
    numbers: str = choice("off", "on", doc="the sequence number before each message")
    msgs: str = choice("all", "known", "none", doc="who may write to you privately; known: whom you have written to")
    devices: str = choice("one", "many", doc="stay on several connections at once; one: a new one takes over")

    def changed(self, name: str, value: str) -> Settings:
        """Return a copy with one setting changed. Raises `NotUnderstood` if there is no such setting or choice."""
        name, value = name.lower(), value.lower()
        for setting in fields(self):
            if setting.name == name:
                choices = setting.metadata["choices"]
                if value not in choices:
                    raise NotUnderstood(f"{name} takes one of: {', '.join(choices)}.")
                return replace(self, **{name: value})
        raise NotUnderstood(f"There is no such setting. There are: {', '.join(one.name for one in fields(self))}.")

    def explained(self) -> tuple[tuple[str, ...], ...]:
        """Return a row for each setting: name, value, choices and explanation."""
        return tuple(
            (one.name, getattr(self, one.name), "|".join(one.metadata["choices"]), one.metadata["doc"]) for one in fields(self)
        )

    def as_kept(self) -> dict[str, str]:
        """Return the settings as accounts keep them."""
        return asdict(self)


def from_kept(kept: Mapping[str, str]) -> Settings:
    """Return settings from their kept form. Settings and choices that this version does not know are skipped."""
    known = {one.name: one.metadata["choices"] for one in fields(Settings)}
    return Settings(**{name: value for name, value in kept.items() if value in known.get(name, ())})
