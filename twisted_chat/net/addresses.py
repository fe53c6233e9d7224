"""Addresses of both ends of a connection, in the words of the log, of limits and of invitations."""

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress


def address_text(address: IAddress) -> str:
    """Where a connection comes from, in the words of the log: ``('127.0.0.1', 54321)``."""
    if isinstance(address, IPv4Address | IPv6Address):
        return repr((address.host.removeprefix("::ffff:"), address.port))
    return repr(str(getattr(address, "name", None) or address))


def ip_of(address: IAddress | None) -> str:
    """The IP address, empty if there is none. IPv4 over an IPv6 socket is IPv4."""
    return str(address.host).removeprefix("::ffff:") if isinstance(address, IPv4Address | IPv6Address) else ""


def place_of(address: IAddress) -> str:
    """``HOST:PORT``, ``[IPV6]:PORT``; empty if there is neither."""
    host = ip_of(address)
    return f"{f'[{host}]' if ':' in host else host}:{address.port}" if host else ""
