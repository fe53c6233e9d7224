"""Format the addresses of both ends of a connection for the log, for limits and for invitations."""

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress


def address_text(address: IAddress) -> str:
    """Return the address of a client as the log shows it: ``('127.0.0.1', 54321)``."""
    if isinstance(address, IPv4Address | IPv6Address):
        return repr((address.host.removeprefix("::ffff:"), address.port))
    return repr(str(getattr(address, "name", None) or address))


def ip_of(address: IAddress | None) -> str:
    """Return the IP address, or an empty string. IPv4 over an IPv6 socket is IPv4."""
    return str(address.host).removeprefix("::ffff:") if isinstance(address, IPv4Address | IPv6Address) else ""


def place_of(address: IAddress) -> str:
    """Return ``HOST:PORT`` or ``[IPV6]:PORT``, or an empty string if the address has none."""
    host = ip_of(address)
    return f"{f'[{host}]' if ':' in host else host}:{address.port}" if host else ""
