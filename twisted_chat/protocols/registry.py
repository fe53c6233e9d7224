"""What a port speaks: the table of protocols, and the factory that tells them apart.

To add one: a file in ``protocols/``, and its row here. docs/adding-a-protocol.md shows it with an example.

1. A protocol that a port does not speak has its row all the same, so that its clients are turned away in their words.
2. The order of rows is no matter: no two fit the same bytes.
3. ``line`` has no row: who is silent, or sends what fits nothing, is a person.
4. Inside TLS all that the port speaks is spoken. A port that takes nothing but TLS speaks everything inside it.
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
    """What every protocol is made with."""

    hub: Hub
    table: Table
    config: Config
    clock: IReactorTime
    gate: Gate
    credentials: Credentials | None  # without them no TLS is spoken
    host_key: HostKey  # of SSH
    connections: set[LineConnection] = field(default_factory=set)  # the open ones, of all protocols
    undecided: set[Undecided] = field(default_factory=set)  # those of which it is not known yet what, or who, speaks there
    refused: Counter[str] = field(default_factory=Counter)  # clients that were turned away, by what they speak
    later: list[Callable[[], object]] = field(default_factory=list)  # what loads what listening does not wait for
    _made: dict[type[ChatFactory], ChatFactory] = field(default_factory=dict)

    def chat(self, kind: type[ChatFactory]) -> ChatFactory:
        """The one factory of a kind of connections that speak lines."""
        if kind not in self._made:
            self._made[kind] = kind(self.hub, self.table, self.config, self.clock, self.connections)
        return self._made[kind]


class Later(Factory):
    """A factory that is made shortly after the start, or when it is first needed: listening does not wait for its modules."""

    noisy = False

    def __init__(self, frame: Frame, make: Callable[[], IProtocolFactory]) -> None:
        """``make`` imports them."""
        self._make = make
        self._made: IProtocolFactory | None = None
        frame.later.append(self.load)

    def doStop(self) -> None:
        """Called when a port of it listens no more."""
        if self._made is not None:
            self._made.doStop()

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """Called for each connection that speaks it."""
        return self.load().buildProtocol(addr)

    def load(self) -> IProtocolFactory:
        """The factory, which is made if it is not there yet."""
        if self._made is None:
            self._made = self._make()
            self._made.doStart()
        return self._made


def irc(frame: Frame) -> IProtocolFactory:
    """The factory of IRC connections."""

    def make() -> IProtocolFactory:
        from twisted_chat.protocols.irc.protocol import IrcFactory

        return frame.chat(IrcFactory)

    return Later(frame, make)


def ssh(frame: Frame) -> IProtocolFactory:
    """The factory of SSH connections."""

    def make() -> IProtocolFactory:
        from twisted_chat.protocols.ssh.factory import SshFactory, SshPeople

        return SshFactory(frame.chat(SshPeople), frame.host_key, frame.undecided)

    return Later(frame, make)


def web(frame: Frame) -> IProtocolFactory:
    """The factory of HTTP connections."""

    def make() -> IProtocolFactory:
        from twisted_chat.protocols.web.room_api import StreamFactory
        from twisted_chat.protocols.web.site import WebFactory
        from twisted_chat.protocols.web.websocket import BrowserFactory

        return WebFactory(frame.chat(BrowserFactory), frame.chat(StreamFactory))

    return Later(frame, make)


@dataclass(frozen=True, slots=True)
class Row:
    """A protocol whose clients speak first."""

    name: str  # as people are told
    fits: Fits
    refusal: Words  # how its clients are turned away
    word: str = ""  # as it is named in --protocols, if it can be spoken
    makes: Callable[[Frame], IProtocolFactory] | None = None
    survives: bool = False  # its clients read past a greeting for people
    several: bool = False  # they open several connections, and use some of them later
    no_room: Words | None = None  # how its clients are told that there is no room; None: as they are turned away


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

# What can be spoken, by its word in --protocols.
PROTOCOLS = ("line", *(row.word for row in ROWS if row.word))
# How one comes in, said to who tries otherwise: {host}, {port} and {place} are filled in.
IN_CLEAR = "nc {host} {port}"
IN_TLS = "openssl s_client -quiet -connect {place}"


def port_factory(frame: Frame, words: frozenset[str]) -> DetectorFactory:
    """What listens on a port where these protocols are spoken; TLS only if there is a certificate."""
    tls = None
    if frame.credentials is not None and "tls" in words:
        inside = words - {"tls"} or frozenset(PROTOCOLS) - {"tls"}
        tls = TlsFactory(frame.credentials, _detector(frame, inside, None, None), frame.clock)
    return _detector(frame, in_clear(words, frame.config), tls, frame.gate)


def in_clear(words: frozenset[str], config: Config) -> frozenset[str]:
    """Which of these protocols are spoken outside TLS."""
    return words & {"ssh"} if config.require_tls else words - {"tls"}


def _detector(frame: Frame, words: frozenset[str], tls: IProtocolFactory | None, gate: Gate | None) -> DetectorFactory:
    """A detector for these protocols, with TLS round them if there is any."""
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
    """The protocols that a list like ``line,tls`` names; all, if it is empty. Raises `ValueError`."""
    words = text.split(",") if text else PROTOCOLS
    for word in words:
        if word not in PROTOCOLS:
            raise ValueError(f"there is no protocol {word!r}; there are: {', '.join(PROTOCOLS)}")
    return frozenset(words)


def ways_in(words: frozenset[str], config: Config, credentials: Credentials | None) -> frozenset[str]:
    """By which of these protocols one can come in."""
    return in_clear(words, config) | (words & {"tls"} if credentials is not None else frozenset())
