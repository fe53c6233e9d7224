"""Sources: what a secret's guesses are counted by, where an address alone would be too many or none.

1. An IPv6 address counts with its /64: one customer has that many addresses (RFC 6177). IPv4 within IPv6 is IPv4.
2. A connection without an address (a Unix socket) is the source `LOCAL`, together with all others like it.
3. Loopback and exempt networks are sources as any other: a proxy's people share one, and are told apart by account.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

NETWORK_BITS = 64  # of an IPv6 source
# Of the network around a source: what a site is given (RFC 6177), and what is routed by itself.
SITE_BITS = {4: 24, 6: 48}
LOCAL = "local"


@lru_cache(maxsize=1024)
def source_of(address: str) -> str:
    """Return the source of an IP address; `LOCAL` for an empty one and for what is no address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return LOCAL
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is None:
            return str(ip_network((found, NETWORK_BITS), strict=False))
        found = found.ipv4_mapped
    return str(found)


@lru_cache(maxsize=1024)
def network_of(source: str) -> str:
    """Return the network around a source, which is never a source itself: many sources in one are likely one attacker's."""
    if source == LOCAL:
        return ""
    network = ip_network(source)
    return str(network.supernet(new_prefix=SITE_BITS[network.version]))
