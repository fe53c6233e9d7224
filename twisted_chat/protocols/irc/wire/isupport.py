"""The features of a server, as tokens of RPL_ISUPPORT (modern.ircdocs.horse, ``rplisupport-005``).

1. A line has at most 13 tokens, and is never too long. A token is ASCII. In its value, a space, ``\\``, ``=`` and
   all bytes that are not printable ASCII become ``\\xHH``.
2. IRCv3 ``rfc8265`` advises ``CASEMAPPING=ascii`` with ``UTF8MAPPING=rfc8265``. Every client knows the first, and
   `core.text.names.fold` folds all that it folds. A client that knows no more takes ``É`` and ``é`` for two names, and
   at worst opens two windows; the server compares all names by their fold. ``rfc1459`` would be wrong for both:
   names have no braces.
"""

from collections.abc import Iterator, Mapping

from twisted_chat.protocols.irc.wire.message import LONGEST

MOST_TOKENS = 13
CASEMAPPING: Mapping[str, str] = {"CASEMAPPING": "ascii", "UTF8MAPPING": "rfc8265"}

_AROUND = len(":  005   :are supported by this server")


def token(name: str, value: str | None) -> str:
    """Return one token; without a value, its name alone."""
    if value is None:
        return name
    return f"{name}={''.join(_shown(byte) for byte in value.encode('utf-8', 'replace'))}"


def _shown(byte: int) -> str:
    return chr(byte) if 0x20 < byte < 0x7F and byte not in b"\\=" else f"\\x{byte:02X}"


def lines(tokens: Mapping[str, str | None], server: str, client: str) -> Iterator[tuple[str, ...]]:
    """Yield the tokens in order, in as many lines as they need; at least one line."""
    most = LONGEST - _AROUND - len(server.encode()) - len(client.encode())
    line: list[str] = []
    size = 0
    for one in (token(name, value) for name, value in tokens.items()):
        if line and (len(line) == MOST_TOKENS or size + 1 + len(one) > most):
            yield tuple(line)
            line, size = [], 0
        line.append(one)
        size += 1 + len(one)
    yield tuple(line)
