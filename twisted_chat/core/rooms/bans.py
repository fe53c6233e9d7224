"""Bans and mutes: their targets, their rooms and their expiry.

1. The check for each message takes the same time with ten restrictions as with thousands: see `restriction_index`.
2. An expired restriction is removed at the next look-up, from memory and from disk.
3. The number of restrictions is limited in a room, by one person and on the server. So is the number of masks that must be
   compared one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush

from twisted_chat.core.errors import BadName, NotAllowed
from twisted_chat.core.records import Sanction
from twisted_chat.core.rooms.restriction_index import RestrictionIndex, key_of, network, plain_address
from twisted_chat.core.text import names
from twisted_chat.core.text.hostmask import checked_mask, fold_mask, full_mask, is_mask, matches
from twisted_chat.core.text.sanitize import clean

# The most restrictions: in one room, by one person in all rooms, of the whole server, and in all rooms.
MOST_IN_ROOM, MOST_BY_ONE, MOST_ON_SERVER, MOST_IN_ROOMS = 100, 1_000, 50_000, 100_000
# The most server masks with wildcards in both the name and the host.
MOST_OPEN_MASKS = 100
SERVER = ""  # the "room" of restrictions that apply everywhere
KINDS = ("ban", "mute")


def target(text: str) -> str:
    """Return typed text as a target: a folded name, an address, a network or a folded mask. Raises `BadName`."""
    if is_mask(text):
        return checked_mask(text)
    found = network(text)
    if found is None:
        return names.fold(names.person(text, frozenset()))
    return str(found.network_address) if found.num_addresses == 1 else str(found)


def named(text: str) -> str:
    """Return typed text as a target for a look-up. Never raises."""
    try:
        return target(text)
    except BadName:
        return fold_mask(full_mask(clean(text))) if is_mask(text) else names.fold(clean(text))


def is_address(target: str) -> bool:
    """Return True for an address or a network."""
    return "!" not in target and network(target) is not None


def hits(target: str, key: str, masks: Sequence[str], address: str) -> bool:
    """Return True if a target matches the person of this key (a folded name), these masks or this address."""
    if "!" in target:
        return any(matches(target, mask) for mask in masks)
    net, where = network(target), plain_address(address)
    return target == key if net is None else where is not None and where in net


class Sanctions:
    """All restrictions in force."""

    def __init__(self, sanctions: Iterable[Sanction] = (), dropped: Callable[[Sequence[Sanction]], object] = len) -> None:
        """``dropped`` is called with expired restrictions, to remove them from disk."""
        self.all: dict[int, Sanction] = {}
        self._indexes: dict[tuple[str, str], RestrictionIndex] = {}  # by kind and room
        self._of_room: dict[str, dict[int, Sanction]] = {}
        self._by: dict[str, int] = {}  # the number of room restrictions by each person
        self._ends: list[tuple[float, int]] = []  # a heap; it may still have restrictions that were already removed
        self._last = 0
        self._dropped = dropped
        for one in sanctions:
            self.add(one)

    def next_id(self) -> int:
        """Return the id for the next restriction."""
        return self._last + 1

    def add(self, one: Sanction) -> None:
        """Add a restriction."""
        self.all[one.id] = one
        self._last = max(self._last, one.id)
        self._of_room.setdefault(one.room, {})[one.id] = one
        self._indexes.setdefault((one.kind, one.room), RestrictionIndex()).add(one)
        if one.room != SERVER:
            self._by[one.by] = self._by.get(one.by, 0) + 1
        if one.until is not None:
            heappush(self._ends, (one.until, one.id))

    def remove(self, one: Sanction) -> None:
        """Remove a restriction."""
        del self.all[one.id]
        of_room = self._of_room[one.room]
        del of_room[one.id]
        if not of_room:
            del self._of_room[one.room]
        index = self._indexes[one.kind, one.room]
        index.remove(one)
        if not index:
            del self._indexes[one.kind, one.room]
        if one.room != SERVER:
            self._by[one.by] -= 1
            if not self._by[one.by]:
                del self._by[one.by]
        if len(self._ends) > 2 * len(self.all) + 64:
            self._ends = [(other.until, other.id) for other in self.all.values() if other.until is not None]
            heapify(self._ends)

    def check_space(self, room: str, by: str, target: str) -> None:
        """Raise `NotAllowed` if no more restrictions fit."""
        there = len(self._of_room.get(room, ()))
        if room == SERVER:
            if there >= MOST_ON_SERVER:
                raise NotAllowed(f"The server has {MOST_ON_SERVER} bans and mutes already. End some with /unban and /unmute.")
            open_masks = sum(self._indexes[kind, room].open_masks for kind in KINDS if (kind, room) in self._indexes)
            if key_of(target) is None and open_masks >= MOST_OPEN_MASKS:
                raise NotAllowed(f"The server has {MOST_OPEN_MASKS} such masks already. Name a person or a whole host.")
        elif there >= MOST_IN_ROOM:
            raise NotAllowed(f"There are {MOST_IN_ROOM} bans and mutes in {room} already.")
        elif self._by.get(by, 0) >= MOST_BY_ONE:
            raise NotAllowed(f"You have made {MOST_BY_ONE} bans and mutes already. End some with /unban and /unmute.")
        elif len(self.all) - len(self._of_room.get(SERVER, ())) >= MOST_IN_ROOMS:
            raise NotAllowed("This server has no space for more bans and mutes of rooms.")

    def standing(self, room: str, now: float) -> list[Sanction]:
        """Return the restrictions of a room, or of the server (`SERVER`), oldest first."""
        self._drop(now)
        return list(self._of_room.get(room, {}).values())

    def same(self, kind: str, room: str, target: str, now: float) -> list[Sanction]:
        """Return the restrictions of this kind, room and target."""
        self._drop(now)
        return [one for one in self._of_room.get(room, {}).values() if (one.kind, one.target) == (kind, target)]

    def any(self, kind: str, room: str) -> bool:
        """Return True if the room or the server has a restriction of this kind."""
        return (kind, SERVER) in self._indexes or (kind, room) in self._indexes

    def hitting(self, kind: str, room: str, key: str, masks: Sequence[str], address: str, now: float) -> Iterator[Sanction]:
        """Yield the restrictions that match a person: the server's, then the room's if a room is given."""
        self._drop(now)
        for place in (SERVER, room) if room != SERVER else (SERVER,):
            index = self._indexes.get((kind, place))
            if index is not None:
                yield from index.hitting(key, masks, address)

    def forget(self, room: str) -> list[Sanction]:
        """Remove and return the restrictions of a room that has ended."""
        gone = list(self._of_room.get(room, {}).values())
        for one in gone:
            self.remove(one)
        return gone

    def _drop(self, now: float) -> None:
        """Remove expired restrictions."""
        ends = self._ends
        gone: list[Sanction] = []
        while ends and ends[0][0] <= now:
            one = self.all.get(heappop(ends)[1])
            if one is not None and one.until is not None and one.until <= now:
                gone.append(one)
        if gone:
            for one in gone:
                self.remove(one)
            self._dropped(gone)
