"""Bans and mutes: whom they hit, and for how long."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from twisted_chat.core import names
from twisted_chat.core.errors import BadName
from twisted_chat.core.masks import fold_mask, full_mask, is_mask, matches
from twisted_chat.core.records import Sanction
from twisted_chat.core.text import clean


def target(text: str) -> str:
    """What somebody typed as the target of a ban: a folded name, an address, a network or a mask. Raises `BadName`."""
    if is_mask(text):
        return fold_mask(full_mask(clean(text)))
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return names.fold(names.person(text, frozenset()))
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def is_address(target: str) -> bool:
    """Whether a target is an address or a network."""
    try:
        ip_network(target)
    except ValueError:
        return False
    return True


def hits(target: str, key: str, mask: str, address: str) -> bool:
    """Whether a target means the person of this key (folded name), mask or address."""
    if target == key:
        return True
    if "!" in target:
        return matches(target, mask)
    try:
        return bool(address) and ip_address(address) in ip_network(target)
    except ValueError:
        return False


class Sanctions:
    """All that are in force."""

    def __init__(self, sanctions: Iterable[Sanction] = ()) -> None:
        self.all: dict[int, Sanction] = {one.id: one for one in sanctions}

    def next_id(self) -> int:
        """A number for the next one."""
        return max(self.all, default=0) + 1

    def standing(self, kind: str, room: str, now: float) -> list[Sanction]:
        """Those of a kind that count in a room (empty: the whole server), oldest first."""
        return [
            one
            for one in self.all.values()
            if one.kind == kind and one.room in ("", room) and (one.until is None or one.until > now)
        ]

    def against(self, kind: str, room: str, key: str, mask: str, address: str, now: float) -> Sanction | None:
        """The one that hits a person in a room, if any."""
        return next((one for one in self.standing(kind, room, now) if hits(one.target, key, mask, address)), None)

    def forget(self, room: str) -> list[Sanction]:
        """A room has ended: take away those that count there, and return them."""
        gone = [one for one in self.all.values() if one.room == room]
        for one in gone:
            del self.all[one.id]
        return gone

    def expired(self, now: float) -> list[Sanction]:
        """Those that no longer count."""
        return [one for one in self.all.values() if one.until is not None and one.until <= now]


def named(text: str) -> str:
    """A target to be looked up, whatever was typed: never raises."""
    try:
        return target(text)
    except BadName:
        return names.fold(text)
