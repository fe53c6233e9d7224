"""The table of protocols, and the factory of a port that tells them apart.

To add a protocol, add a file in ``protocols/`` and a row here. docs/adding-a-protocol.md shows an example.

1. A protocol that a port does not speak also has a row, so that its clients are rejected in their own protocol.
2. Order does not matter: no two rows match the same bytes.
3. ``line`` has no row: a client that is silent, or whose bytes match no row, is a person.
4. A port speaks its protocols inside TLS too. A port that accepts only TLS speaks all protocols inside it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from twisted.internet.interfaces import IAddress, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Factory, Protocol

from twisted_chat.config import Config
from twisted_chat.core.command_table.table import Table
from twisted_chat.core.hub.hub import Hub
from twisted_chat.net.connection_limits import Gate
from twisted_chat.net.ssh_host_key import HostKey
from twisted_chat.net.tls import Credentials, TlsFactory
from twisted_chat.protocols.connection import ChatFactory, LineConnection
from twisted_chat.protocols.detect import rejections, signatures
from twisted_chat.protocols.detect.candidate import Choice
from twisted_chat.protocols.detect.detector import DetectorFactory, Undecided
from twisted_chat.protocols.detect.no_room import NoRoom
from twisted_chat.protocols.detect.rejections import NOT_SPOKEN, ONLY_ENCRYPTED, RefusalFactory, Words
from twisted_chat.protocols.detect.signatures import Fits
from twisted_chat.protocols.jsonlines.protocol import ProgramFactory
from twisted_chat.protocols.line.protocol import PersonFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The objects that all protocols share."""

    hub: Hub
    table: Table
    config: Config
    clock: IReactorTime
    gate: Gate
    credentials: Credentials | None  # the TLS certificate; None disables TLS
    host_key: HostKey  # the key of the SSH server
    connections: set[LineConnection] = field(default_factory=set)  # the open connections of all protocols
    undecided: set[Undecided] = field(default_factory=set)  # connections without a known protocol or user
    refused: Counter[str] = field(default_factory=Counter)  # the number of rejected clients, by protocol
    later: list[Callable[[], object]] = field(default_factory=list)  # functions that load modules after the ports have opened
    _made: dict[type[ChatFactory], ChatFactory] = field(default_factory=dict)

    def chat(self, kind: type[ChatFactory]) -> ChatFactory:
        """Return the shared factory of a kind of line connections."""
        if kind not in self._made:
            self._made[kind] = kind(self.hub, self.table, self.config, self.clock, self.connections)
        return self._made[kind]


class Later(Factory):
    """A factory that is created on first use, or shortly after the start: ports open before its modules are imported."""

    noisy = False

    def __init__(self, frame: Frame, make: Callable[[], IProtocolFactory]) -> None:
        """Register with ``frame``. ``make`` imports the modules and creates the factory."""
        self._make = make
        self._made: IProtocolFactory | None = None
        frame.later.append(self.load)

    def doStop(self) -> None:
        """Called when a port of this factory closes."""
        if self._made is not None:
            self._made.doStop()

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """Called for each connection of this protocol."""
        return self.load().buildProtocol(addr)

    def load(self) -> IProtocolFactory:
        """Return the factory. Create it on the first call."""
        if self._made is None:
            self._made = self._make()
            self._made.doStart()
        return self._made


def irc(frame: Frame) -> IProtocolFactory:
    """Return the factory of IRC connections."""

    def make() -> IProtocolFactory:
        from twisted_chat.protocols.irc.protocol import IrcFactory

        return frame.chat(IrcFactory)

    return Later(frame, make)


def ssh(frame: Frame) -> IProtocolFactory:
    """Return the factory of SSH connections."""

    def make() -> IProtocolFactory:
        from twisted_chat.protocols.ssh.factory import SshFactory, SshPeople

        return SshFactory(frame.chat(SshPeople), frame.host_key, frame.undecided)

    return Later(frame, make)


def web(frame: Frame) -> IProtocolFactory:
    """Return the factory of HTTP connections."""

    def make() -> IProtocolFactory:
        from twisted_chat.protocols.web.room_api import StreamFactory
        from twisted_chat.protocols.web.site import WebFactory
        from twisted_chat.protocols.web.websocket import BrowserFactory

        return WebFactory(frame.chat(BrowserFactory), frame.chat(StreamFactory))

    return Later(frame, make)


@dataclass(frozen=True, slots=True)
class Row:
    """A protocol whose clients speak first."""

    name: str  # the name that users see
    fits: Fits
    refusal: Words  # the encoder of a rejection
    word: str = ""  # the name in --protocols, if the server supports the protocol
    makes: Callable[[Frame], IProtocolFactory] | None = None
    survives: bool = False  # its clients skip a greeting for people
    several: bool = False  # its clients open several connections, and use some of them later
    no_room: Words | None = None  # the encoder of the message that the server is full; by default ``refusal``


ROWS = (
    Row("TLS", signatures.tls, rejections.in_tls, "tls"),
    Row("JSON", signatures.json, rejections.in_json, "json", lambda frame: frame.chat(ProgramFactory), survives=True),
    Row("HTTP", signatures.http, rejections.in_http, "web", web, several=True, no_room=rejections.no_room_in_http),
    Row("SSH", signatures.ssh, rejections.in_ssh, "ssh", ssh, survives=True),
    Row("IRC", signatures.irc, rejections.in_irc, "irc", irc, survives=True),
    Row("The PROXY protocol", signatures.proxy, rejections.in_text),
    Row("Redis", signatures.redis, rejections.in_redis),
    Row("What is not text", signatures.binary, rejections.in_text),
)

# The supported protocols, by their names in --protocols.
PROTOCOLS = ("line", *(row.word for row in ROWS if row.word))
# The command to connect with, for rejected clients: {host}, {port} and {place} are filled in.
IN_CLEAR = "nc {host} {port}"
IN_TLS = "openssl s_client -quiet -connect {place}"


def port_factory(frame: Frame, words: frozenset[str]) -> DetectorFactory:
    """Return the factory of a port with these protocols. TLS needs a certificate."""
    tls = None
    if frame.credentials is not None and "tls" in words:
        inside = words - {"tls"} or frozenset(PROTOCOLS) - {"tls"}
        tls = TlsFactory(frame.credentials, _detector(frame, inside, None, None), frame.clock)
    return _detector(frame, in_clear(words, frame.config), tls, frame.gate)


def in_clear(words: frozenset[str], config: Config) -> frozenset[str]:
    """Return the subset of these protocols that the port speaks outside TLS."""
    return words & {"ssh"} if config.require_tls else words - {"tls"}


def _detector(frame: Frame, words: frozenset[str], tls: IProtocolFactory | None, gate: Gate | None) -> DetectorFactory:
    """Return a detector for these protocols, and for ``tls`` if it is given."""
    encrypted = tls is not None or gate is None
    refuse = _refuser(frame, NOT_SPOKEN if words - {"ssh"} else ONLY_ENCRYPTED, IN_TLS if encrypted else IN_CLEAR)
    spoken: dict[str, IProtocolFactory] = {row.word: row.makes(frame) for row in ROWS if row.makes and row.word in words}
    if "line" in words:
        others: IProtocolFactory = frame.chat(PersonFactory)
    elif len(spoken) == 1 and tls is None:
        (others,) = spoken.values()
    else:
        others = refuse("Plain text", rejections.in_text)
    if tls is not None:
        spoken["tls"] = tls
    choices = [
        Choice(
            row.fits,
            spoken.get(row.word) or refuse(row.name, row.refusal),
            row.survives,
            row.several and row.word in words,
            row.no_room or row.refusal,
        )
        for row in ROWS
    ]
    only = [row for row in ROWS if words == {row.word} and tls is None]
    silent: Words = (only[0].no_room or only[0].refusal) if only else rejections.in_text
    config = frame.config
    no_room = NoRoom(choices, silent, frame.clock, grace=config.grace, closing_seconds=config.closing_seconds)
    alone = len(words) + (tls is not None) == 1 and bool(words)
    return DetectorFactory(
        choices,
        others,
        refuse("What came too late", rejections.in_silence),
        frame.undecided,
        frame.clock,
        grace=0.0 if alone else frame.config.grace,
        patience=frame.config.patience,
        gate=gate,
        no_room=no_room,
    )


def _refuser(frame: Frame, template: str, way: str) -> Callable[[str, Words], RefusalFactory]:
    def refuse(name: str, words: Words) -> RefusalFactory:
        return RefusalFactory(name, words, template, way, frame.clock, frame.config.closing_seconds, frame.refused)

    return refuse


def chosen(text: str) -> frozenset[str]:
    """Return the protocols in a list such as ``line,tls``, or all protocols if it is empty. Raise `ValueError`."""
    words = text.split(",") if text else PROTOCOLS
    for word in words:
        if word not in PROTOCOLS:
            raise ValueError(f"there is no protocol {word!r}; there are: {', '.join(PROTOCOLS)}")
    return frozenset(words)


def ways_in(words: frozenset[str], config: Config, credentials: Credentials | None) -> frozenset[str]:
    """Return the subset of these protocols that clients can use on the port."""
    return in_clear(words, config) | (words & {"tls"} if credentials is not None else frozenset())
