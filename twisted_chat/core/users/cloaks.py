"""Hosts that stand for addresses: what everybody may see of where a person comes from.

1. The same address has the same host, also after a restart: the key is one of the server's facts, and is told to nobody.
2. Without the key nobody can compute a host from an address, and so nobody can try all addresses.
3. All addresses of one IPv6 network of 64 bits have one host: that is what one customer has. IPv4 inside IPv6 is IPv4.
"""

from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address, ip_network

from twisted_chat.core.rooms.restriction_index import plain_address

# Half the characters of a host.
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
    """Return a keyed digest. Until schema 8 a host was the digest of the whole address, of IPv6 too."""
    return blake2b(text.encode(), key=key.encode(), digest_size=BYTES).hexdigest()
