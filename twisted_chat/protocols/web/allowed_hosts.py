"""The host names by which browsers may reach the server without TLS.

Any site can point its own name at this machine, and the requests of its pages then look like those of our own page ("DNS
rebinding"). It cannot change the name in the Host header. That must be an IP address, a name that no site on the internet
has, or one given with ``--web-name``. With TLS the certificate has proven the server's identity.
"""

from collections.abc import Collection
from ipaddress import ip_address

# Endings of names that are never registered on the internet (RFC 6761, RFC 6762, and ICANN's .internal).
LOCAL = (".localhost", ".local", ".internal", ".home.arpa")


def is_ours(host: bytes, names: Collection[str]) -> bool:
    """Return whether a Host header names this server. ``names`` are those that the operator has given."""
    name = host.decode("ascii", "replace").lower()
    name = name.rpartition("]")[0].lstrip("[") if name.startswith("[") else name.partition(":")[0]
    try:
        ip_address(name)
    except ValueError:
        return "." not in name.rstrip(".") or name.rstrip(".").endswith(LOCAL) or name.rstrip(".") in names
    return True
