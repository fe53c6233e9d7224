"""Capability negotiation and SASL, sans-I/O: IRCv3 ``capability-negotiation``, ``sasl-3.1`` and RFC 4616.

1. LS and REQ delay registration until END; after registration they delay nothing.
2. A REQ is granted or refused as a whole, and the reply repeats its words.
3. Values and several lines are for clients that sent ``LS 302`` or more; other clients get one line without values.
4. AUTHENTICATE payloads are bounded before they are decoded.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence

from twisted_chat.core.errors import NotAllowed
from twisted_chat.core.text.names import fold
from twisted_chat.protocols.irc.wire.message import LONGEST, Message
from twisted_chat.protocols.irc.wire.numerics import Numeric

# The protocol version that introduced values and several lines.
WITH_VALUES = 302
# The length of a piece of an AUTHENTICATE payload, in bytes of Base64. A shorter piece is the last.
CHUNK = 400
# The limit of a whole payload: RFC 4616 has 255 bytes a name, which leaves 2.5 KiB for a password.
LONGEST_PAYLOAD = 4096


class Negotiation:
    """The capabilities that one client and this server have agreed on."""

    def __init__(self, server: str, offered: Mapping[str, str]) -> None:
        """Offer capabilities by name, each with its value, which may be empty."""
        self.enabled: set[str] = set()
        self.version = 301
        self.waiting = False  # True while registration waits for END
        self._server = server
        self._offered = offered

    def answer(self, client: str, registered: bool, params: Sequence[str]) -> list[Message]:
        """Return the replies to CAP. ``client`` is a nick, or ``*``."""
        if not params:
            return [self._numeric(Numeric.ERR_NEEDMOREPARAMS, client, "CAP")]
        match params[0].upper():
            case "LS":
                self.waiting |= not registered
                return self._list(client, params[1:])
            case "LIST":
                return list(self._lines(client, "LIST", sorted(self.enabled), self.version >= WITH_VALUES))
            case "REQ":
                self.waiting |= not registered
                return [self._request(client, params[-1] if len(params) > 1 else "")]
            case "END":
                self.waiting = False
                return []
        return [self._numeric(Numeric.ERR_INVALIDCAPCMD, client, params[0])]

    def _list(self, client: str, version: Sequence[str]) -> list[Message]:
        asked = int(version[0]) if version and version[0].isascii() and version[0].isdigit() else 301
        if asked >= WITH_VALUES:
            self.version = max(self.version, asked)
            self.enabled |= {"cap-notify"} & self._offered.keys()
            names = [f"{name}={value}" if value else name for name, value in self._offered.items()]
        else:
            names = list(self._offered)
        return list(self._lines(client, "LS", names, asked >= WITH_VALUES))

    def _lines(self, client: str, kind: str, names: Iterable[str], several: bool) -> Iterator[Message]:
        most = LONGEST - len(f":{self._server} CAP {client} {kind} * :".encode())
        line = ""
        for name in names:
            longer = f"{line} {name}".lstrip()
            if line and len(longer) > most:
                if not several:
                    break
                yield self._message(client, kind, "*", line)
                longer = name
            line = longer
        yield self._message(client, kind, line)

    def _request(self, client: str, wanted: str) -> Message:
        enabled = set(self.enabled)
        for word in wanted.split():
            name = word.removeprefix("-")
            implied = name == "cap-notify" and self.version >= WITH_VALUES
            if name not in self._offered or (word != name and implied):
                return self._message(client, "NAK", wanted)
            if word == name:
                enabled.add(name)
            else:
                enabled.discard(name)
        self.enabled = enabled
        return self._message(client, "ACK", wanted)

    def _message(self, client: str, *params: str) -> Message:
        return Message("CAP", (client, *params), self._server)

    def _numeric(self, numeric: Numeric, client: str, *values: str) -> Message:
        return Message(numeric.number, (client, *numeric.params(*values)), self._server)


class SaslFailed(NotAllowed):
    """A failed authentication. ``numeric`` is the reply to it."""

    def __init__(self, numeric: Numeric = Numeric.ERR_SASLFAIL) -> None:
        super().__init__(numeric.params()[-1])
        self.numeric = numeric


class Payload:
    """An AUTHENTICATE payload that arrives in pieces."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def feed(self, piece: str) -> bytes | None:
        """Add a piece. Return the decoded payload after the last piece, else None. Raise `SaslFailed` on an error."""
        if piece == "*":
            raise SaslFailed(Numeric.ERR_SASLABORTED)
        if len(piece) > CHUNK or (len(self._pieces) + 1) * CHUNK > LONGEST_PAYLOAD:
            raise SaslFailed(Numeric.ERR_SASLTOOLONG)
        if piece != "+":
            self._pieces.append(piece)
            if len(piece) == CHUNK:
                return None
        try:
            return base64.b64decode("".join(self._pieces), validate=True)
        except (binascii.Error, ValueError):
            raise SaslFailed from None


def plain(payload: bytes) -> tuple[str, str]:
    """Return the account and password of SASL PLAIN. Raise `SaslFailed` also if the client asks to act for another account."""
    try:
        identity, account, password = payload.decode().split("\0")
    except ValueError:
        raise SaslFailed from None
    if not account or not password or (identity and fold(identity) != fold(account)):
        raise SaslFailed
    return account, password
