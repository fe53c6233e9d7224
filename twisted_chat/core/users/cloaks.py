"""Cloaked hosts: the public stand-ins for people's addresses.

1. The same address has the same host, even after a restart: the key is one of the server's facts, and is secret.
2. A host cannot be computed from an address without the key, so an attacker cannot try all addresses.
3. All addresses of one IPv6 /64 have one host, because one customer has a whole /64. IPv4 inside IPv6 counts as IPv4.
"""

from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address, ip_network

from twisted_chat.core.rooms.restriction_index import plain_address

# The size of a host's digest: a host has twice as many characters.
BYTES = 5


def host_of(address: str, key: str) -> str:
    """Return the host of an address, or of a network. ``address`` is empty where there is none."""
    found = plain_address(address)
    if isinstance(found, IPv6Address):
        address = str(ip_network((int(found), 64), strict=False))
    elif found is not None:
        address = str(found)
    return digest(address, key)


@lru_cache(maxsize=1024)
def digest(text: str, key: str) -> str:
    """Return a keyed digest. Until schema 8, a host was the digest of the whole address, even for IPv6."""
    return blake2b(text.encode(), key=key.encode(), digest_size=BYTES).hexdigest()
