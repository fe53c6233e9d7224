"""Where a Config asks to listen, and whether that can be had.

Twisted's endpoints are imported only where one is asked for: with the TLS they bring, which is not ours, they would be a
twelfth of the start.
"""

import re
import socket
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, execute
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory

from twisted_chat.config import Config


class TcpPort(NamedTuple):
    """A TCP port of this machine, on the interface with an IP address."""

    interface: str
    port: int
    backlog: int

    def __str__(self) -> str:
        return f"port {self.port}"


class Place(NamedTuple):
    """Where to listen, a port or Twisted's endpoint string, and what is spoken there; None: what ``--protocols`` says."""

    where: TcpPort | str
    protocols: str | None = None


def parted(text: str) -> tuple[str, str | None]:
    """``[PROTOCOLS@]ENDPOINT``: ``tls@tcp:5556`` is ``("tcp:5556", "tls")``."""
    given = re.fullmatch(r"(?:([a-z,]+)@)?(.*)", text, re.DOTALL)
    assert given is not None
    return given[2], given[1]


def places(config: Config) -> list[Place]:
    """All that a Config asks for."""
    found = [Place(*parted(text)) for text in config.listen]
    if config.port is not None:
        host = config.host or ("::" if has_ipv6() else "0.0.0.0")  # noqa: S104 (to be reached is what it is for)
        found.insert(0, Place(TcpPort(host, config.port, config.backlog)))
    return found


def has_ipv6() -> bool:
    """Whether this machine can listen on IPv6. Where it can, one socket takes IPv4 as well (RFC 3493, 3.7)."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def listen(reactor: Any, where: TcpPort | str, factory: IProtocolFactory) -> "Deferred[IListeningPort]":
    """Begin to listen. Fails with `CannotListenError`."""
    if isinstance(where, TcpPort):
        return execute(reactor.listenTCP, where.port, factory, where.backlog, where.interface)
    return endpoint(reactor, where).listen(factory)


def endpoint(reactor: Any, description: str) -> Any:
    """The endpoint that a string describes. Raises `ValueError` and others if it describes none."""
    from twisted.internet.endpoints import serverFromString

    return serverFromString(reactor, description)


def address(reactor: Any, where: TcpPort | str) -> tuple[str, int] | None:
    """The IP address and the port that are meant; None if it is not TCP. Twisted's endpoints don't tell, but know."""
    if isinstance(where, TcpPort):
        return where.interface, where.port
    described = endpoint(reactor, where)
    interface, port = getattr(described, "_interface", None), getattr(described, "_port", None)
    return (interface, port) if isinstance(interface, str) and isinstance(port, int) else None


def try_to_listen(reactor: Any, where: TcpPort | str) -> None:
    """Bind a TCP port's address and let it go again. Raises `CannotListenError`.

    This is done while the terminal that starts the daemon still listens: from inside the daemon Twisted can only
    pass on the first 100 bytes of a quoted error. Other kinds of endpoint tell when they are listened on.
    """
    tried = address(reactor, where)
    if tried is None:
        return
    interface, port = tried
    family = socket.AF_INET6 if ":" in interface else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(tried)
            probe.listen(1)
        except OSError as error:
            raise CannotListenError(interface, port, error) from None
