"""Listen where a Config asks for it.

Twisted's endpoints are imported only if the Config names one. They import Twisted's own TLS, a twelfth of the start-up time.
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
    """A port or a Twisted endpoint string, and the protocols enabled there. None means those of ``--protocols``."""

    where: TcpPort | str
    protocols: str | None = None


def parted(text: str) -> tuple[str, str | None]:
    """Split ``[PROTOCOLS@]ENDPOINT``: ``tls@tcp:5556`` becomes ``("tcp:5556", "tls")``."""
    given = re.fullmatch(r"(?:([a-z,]+)@)?(.*)", text, re.DOTALL)
    assert given is not None
    return given[2], given[1]


def places(config: Config) -> list[Place]:
    """Return every place where a Config asks to listen."""
    found = [Place(*parted(text)) for text in config.listen]
    if config.port is not None:
        host = config.host or ("::" if has_ipv6() else "0.0.0.0")  # noqa: S104 (to be reached is what it is for)
        found.insert(0, Place(TcpPort(host, config.port, config.backlog)))
    return found


def has_ipv6() -> bool:
    """Return whether this machine can listen on IPv6. If so, one socket also accepts IPv4 (RFC 3493, 3.7)."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def listen(reactor: Any, where: TcpPort | str, factory: IProtocolFactory) -> "Deferred[IListeningPort]":
    """Start listening. The Deferred fails with `CannotListenError`."""
    if isinstance(where, TcpPort):
        return execute(reactor.listenTCP, where.port, factory, where.backlog, where.interface)
    return endpoint(reactor, where).listen(factory)


def endpoint(reactor: Any, description: str) -> Any:
    """Return the endpoint that a string describes. Raise `ValueError` or another error if it describes none."""
    from twisted.internet.endpoints import serverFromString

    return serverFromString(reactor, description)


def address(reactor: Any, where: TcpPort | str) -> tuple[str, int] | None:
    """Return the IP address and port to listen on, or None if it is not TCP. Twisted's endpoints have no public way."""
    if isinstance(where, TcpPort):
        return where.interface, where.port
    described = endpoint(reactor, where)
    interface, port = getattr(described, "_interface", None), getattr(described, "_port", None)
    return (interface, port) if isinstance(interface, str) and isinstance(port, int) else None


def try_to_listen(reactor: Any, where: TcpPort | str) -> None:
    """Bind a TCP port's address and release it. Raise `CannotListenError` if that fails.

    It runs before the process becomes a daemon: after that, Twisted passes only the first 100 bytes of an error to the
    terminal. Other kinds of endpoints report their errors when they start to listen.
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
