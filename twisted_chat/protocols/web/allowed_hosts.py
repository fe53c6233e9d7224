"""By which names browsers may reach us in clear.

A page of any site can have its own name lead to this machine, and then its requests look like those of our own page
("DNS rebinding"). What it can't choose is what it is called: so it is asked for by an address, by a name that no site
on the internet has, or by one that was given with ``--web-name``. Inside TLS the certificate has shown who we are.
"""

from collections.abc import Collection
from ipaddress import ip_address

# Endings of names that are never registered on the internet (RFC 6761, RFC 6762, and ICANN's .internal).
LOCAL = (".localhost", ".local", ".internal", ".home.arpa")


def is_ours(host: bytes, names: Collection[str]) -> bool:
    """Whether a Host header names this server. ``names`` are those that were given."""
    name = host.decode("ascii", "replace").lower()
    name = name.rpartition("]")[0].lstrip("[") if name.startswith("[") else name.partition(":")[0]
    try:
        ip_address(name)
    except ValueError:
        return "." not in name.rstrip(".") or name.rstrip(".").endswith(LOCAL) or name.rstrip(".") in names
    return True
