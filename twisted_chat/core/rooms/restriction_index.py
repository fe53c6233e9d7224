"""An index of bans and mutes: it finds a person's restrictions in a few look-ups, at any number of restrictions.

1. A name, and a mask with a literal name or a literal host, are found by that text.
2. An address and a network are found by their first bits: one look-up for each prefix length in use.
3. Only masks with wildcards in both the name and the host are compared one by one. `open_masks` counts them, so that
   their number can be limited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from twisted_chat.core.records import Sanction
from twisted_chat.core.text.hostmask import matches

# A name, "NAME!", "@HOST", or the first bits of an address.
Key: TypeAlias = str | tuple[int, int, int]
# The version of IP, the length in bits, and the address as a number.
Bits: TypeAlias = tuple[int, int, int]


def network(text: str) -> IPv4Network | IPv6Network | None:
    """Return the network or address of a target, or None if the target is a name or a mask. IPv4 inside IPv6 is IPv4."""
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(found, IPv6Network) and found.prefixlen >= 96:
        mapped = found.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, found.prefixlen - 96))
    return found


def plain_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return a connection's address, or None if it has none. IPv4 inside IPv6 is IPv4."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


@lru_cache(maxsize=4096)
def _bits(address: str) -> Bits | None:
    found = plain_address(address)
    return None if found is None else (found.version, found.max_prefixlen, int(found))


@lru_cache(maxsize=4096)
def key_of(target: str) -> Key | None:
    """Return the key of a target in the index, or None for a mask that must be compared."""
    nick, bang, rest = target.partition("!")
    if bang:
        host = rest.rpartition("@")[2]
        if not set(nick) & set("*?"):
            return f"{nick}!"
        return None if set(host) & set("*?") else f"@{host}"
    found = network(target)
    if found is None:
        return target
    return found.version, found.prefixlen, int(found.network_address) >> (found.max_prefixlen - found.prefixlen)


class RestrictionIndex:
    """The restrictions of one kind in one room, or on the server."""

    __slots__ = ("_by_key", "_lengths", "_open")

    def __init__(self) -> None:
        self._by_key: dict[Key, dict[int, Sanction]] = {}
        self._lengths: Counter[tuple[int, int]] = Counter()  # the version of IP, and the prefix length
        self._open: dict[int, Sanction] = {}

    def __bool__(self) -> bool:
        """Return True if there is any restriction."""
        return bool(self._by_key or self._open)

    @property
    def open_masks(self) -> int:
        """The number of masks that are compared one by one."""
        return len(self._open)

    def add(self, one: Sanction) -> None:
        """Add a restriction."""
        key = key_of(one.target)
        if key is None:
            self._open[one.id] = one
        else:
            self._by_key.setdefault(key, {})[one.id] = one
            if isinstance(key, tuple):
                self._lengths[key[:2]] += 1

    def remove(self, one: Sanction) -> None:
        """Remove a restriction that was added."""
        key = key_of(one.target)
        if key is None:
            del self._open[one.id]
            return
        del self._by_key[key][one.id]
        if not self._by_key[key]:
            del self._by_key[key]
        if isinstance(key, tuple):
            self._lengths[key[:2]] -= 1
            if not self._lengths[key[:2]]:
                del self._lengths[key[:2]]

    def hitting(self, key: str, masks: Sequence[str], address: str) -> Iterator[Sanction]:
        """Yield the restrictions that match this key (a folded name), these ``name!user@host`` masks or this address."""
        by_key = self._by_key
        if by_key:
            yield from by_key.get(key, {}).values()
            for mask in masks:
                nick, _, rest = mask.partition("!")
                for near in (f"{nick}!", f"@{rest.rpartition('@')[2]}"):
                    yield from (one for one in by_key.get(near, {}).values() if matches(one.target, mask))
            if self._lengths and address:
                yield from self._by_address(address)
        for one in self._open.values():
            if any(matches(one.target, mask) for mask in masks):
                yield one

    def _by_address(self, address: str) -> Iterator[Sanction]:
        bits = _bits(address)
        if bits is not None:
            version, size, number = bits
            for of, length in tuple(self._lengths):
                if of == version:
                    yield from self._by_key.get((of, length, number >> (size - length)), {}).values()
