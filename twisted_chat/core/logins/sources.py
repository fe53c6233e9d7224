"""Sources: the units by which guesses are counted. An address alone does not do: a customer may have many, or none.

1. An IPv6 address counts as its /64: one customer has that many addresses (RFC 6177). IPv4 inside IPv6 counts as IPv4.
2. All connections without an address (Unix sockets) are one source, `LOCAL`.
3. Loopback and exempt networks are sources like any other: people behind one proxy share a source, and are told apart by
   account.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

NETWORK_BITS = 64  # the prefix length of an IPv6 source
# The prefix lengths of the network around a source: the size given to a site (RFC 6177), and the smallest routed by itself.
SITE_BITS = {4: 24, 6: 48}
LOCAL = "local"


@lru_cache(maxsize=1024)
def source_of(address: str) -> str:
    """Return the source of an IP address; `LOCAL` for an empty or invalid one."""
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
    """Return the network around a source, never a source itself. Many sources in one network are likely one attacker's."""
    if source == LOCAL:
        return ""
    network = ip_network(source)
    return str(network.supernet(new_prefix=SITE_BITS[network.version]))
