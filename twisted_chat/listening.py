"""Which endpoints a Config asks for, and whether they can be had."""

import re
import socket
from typing import Any, NamedTuple

from twisted.internet.endpoints import quoteStringArgument, serverFromString
from twisted.internet.error import CannotListenError

from twisted_chat.config import Config


class Place(NamedTuple):
    """Where to listen, as Twisted's endpoint string, and what is spoken there; None: what ``--protocols`` says."""

    endpoint: str
    protocols: str | None = None


def place(text: str) -> Place:
    """``[PROTOCOLS@]ENDPOINT``: ``tls@tcp:5556``."""
    given = re.fullmatch(r"(?:([a-z,]+)@)?(.*)", text, re.DOTALL)
    assert given is not None
    return Place(given[2], given[1])


def places(config: Config) -> list[Place]:
    """All that a Config asks for."""
    found = [place(text) for text in config.listen]
    if config.port is not None:
        host = config.host or ("::" if has_ipv6() else "0.0.0.0")  # noqa: S104 (to be reached is what it is for)
        kind = "tcp6" if ":" in host else "tcp"
        found.insert(0, Place(f"{kind}:{config.port}:interface={quoteStringArgument(host)}:backlog={config.backlog}"))
    return found


def has_ipv6() -> bool:
    """Whether this machine can listen on IPv6. Where it can, one socket takes IPv4 as well (RFC 3493, 3.7)."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True


def try_to_listen(reactor: Any, description: str) -> None:
    """Bind a TCP endpoint's address and let it go again. Raises `CannotListenError`.

    This is done while the terminal that starts the daemon still listens: from inside the daemon Twisted can only
    pass on the first 100 bytes of a quoted error. Other kinds of endpoint tell when they are listened on.
    """
    endpoint = serverFromString(reactor, description)
    port, interface = getattr(endpoint, "_port", None), getattr(endpoint, "_interface", None)
    if not isinstance(port, int) or not isinstance(interface, str):
        return
    family = socket.AF_INET6 if ":" in interface else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((interface, port))
            probe.listen(1)
        except OSError as error:
            raise CannotListenError(interface, port, error) from None
