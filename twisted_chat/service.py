"""Build log, hub and listeners from a Config; start them in order, drain them in order.

Start: the state folder is claimed and checked, and the ports are tried, while errors still reach the terminal
(`make_service`). Then the daemon opens the log, and only after that listens.

Drain: the server stops accepting; received input is processed and receipted; all clients get a last message; connections
that do not read are aborted; the log is closed. All of this takes at most `Config.draining_seconds` and a second.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Any, TextIO

from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolFactory
from twisted.internet.task import deferLater
from twisted.internet.tcp import Port
from twisted.logger import ILogObserver, Logger
from twisted.python.failure import Failure

from twisted_chat.config import Config, Limits
from twisted_chat.core.commands.builtins import table
from twisted_chat.core.events import Spoken
from twisted_chat.core.hub.hub import Hub
from twisted_chat.core.interfaces import MessageLog, Records
from twisted_chat.core.text import confusables
from twisted_chat.core.text.sanitize import clean
from twisted_chat.daemon import resources, systemd
from twisted_chat.daemon.claim_desk import DaemonClaimDesk
from twisted_chat.daemon.log_observer import LogWriter
from twisted_chat.daemon.login_log import LoginLog
from twisted_chat.daemon.signals import Ending
from twisted_chat.daemon.timeouts import Ticker
from twisted_chat.daemon.waits import ReactorWaits
from twisted_chat.daemon.warmup import Loading
from twisted_chat.net import certificates
from twisted_chat.net.certificates import BadCertificate
from twisted_chat.net.connection_limits import Gate
from twisted_chat.net.endpoints import TcpPort, listen, places, try_to_listen
from twisted_chat.net.ssh_host_key import BadHostKey, HostKey, host_key
from twisted_chat.net.tcp import serve
from twisted_chat.net.tls import Credentials
from twisted_chat.protocols.registry import Frame, chosen, port_factory, ways_in
from twisted_chat.protocols.terminal import wrapping
from twisted_chat.storage.memory_log import MemoryLog
from twisted_chat.storage.passwords import portal
from twisted_chat.storage.passwords.portal import PortalAccounts
from twisted_chat.storage.sqlite.database import Database
from twisted_chat.storage.sqlite.log import SqliteLog
from twisted_chat.storage.sqlite.records import MemoryRecords, SqliteRecords
from twisted_chat.storage.sqlite.renewal import StateError
from twisted_chat.storage.sqlite.retention import Retention

LIMITS_OFF = "[LIMITS OFF] Nobody is held to a rate or a number of connections. This is for benchmarks only."


if TYPE_CHECKING:
    from twisted_chat.metrics import Metrics


class CannotStart(Exception):
    """A failed start, described in one sentence for the operator."""


def make_service(config: Config, reactor: Any = None) -> "ChatService":
    """Return the daemon, with its state claimed and its ports tried. If that fails, change nothing and raise `CannotStart`."""
    if reactor is None:
        from twisted.internet import reactor as installed

        reactor = installed
    use_monotonic_time(reactor)
    motd = read_motd(config.motd)
    database = None
    try:
        for place in places(config):
            try_to_listen(reactor, place.where)
        if config.metrics:
            try_to_listen(reactor, config.metrics)
        if config.state != "none":
            database = Database(Path(config.state))
            database.claim()
        credentials = make_credentials(config)
        key = host_key(config.state)
        for place in places(config):
            if not ways_in(chosen(place.protocols or config.protocols), config, credentials):
                raise CannotStart(f"On {place.where} nothing would be spoken: no TLS, and no clear text either.")
    except CannotListenError as error:
        raise CannotStart(f"Couldn't listen on {where(error)}: {error.socketError.strerror}.") from None
    except (StateError, BadCertificate, BadHostKey) as error:
        raise CannotStart(str(error)) from None
    return ChatService(config, database, motd, credentials, key, reactor)


def make_credentials(config: Config) -> Credentials | None:
    """Return the certificate for a Config, made if necessary. Raise `BadCertificate`."""
    if config.tls == "off" or (not config.tls and config.state == "none"):
        if config.require_tls:
            raise BadCertificate("With --require-tls there has to be a certificate: see --tls.")
        return None
    return Credentials(certificates.source(config.tls, config.state))


def where(error: CannotListenError) -> str:
    """Return the address that failed to listen."""
    host = str(error.interface)
    return f"[{host}]:{error.port}" if ":" in host else f"{host or '0.0.0.0'}:{error.port}"  # noqa: S104


def read_motd(path: str) -> list[str]:
    """Return the sanitized lines of the message of the day. Raise `CannotStart`."""
    if not path:
        return []
    try:
        return [clean(line) for line in Path(path).read_text("utf-8").splitlines()]
    except (OSError, UnicodeError) as error:
        raise CannotStart(f"The file {path} can't be read: {getattr(error, 'strerror', None) or error}.") from None


def use_monotonic_time(reactor: Any) -> None:
    """Make timers follow the monotonic clock. Twisted's follow the wall clock: a step of an hour fires or stalls them."""
    if hasattr(reactor, "seconds") and not hasattr(reactor, "advance"):
        reactor.seconds = time.monotonic


def terminal() -> TextIO | None:
    """Return the terminal that started the daemon, if the daemon can still write to it: only with ``twistd -n``."""
    streams = [stream for stream in (sys.__stderr__, sys.__stdout__) if stream is not None and not stream.closed]
    return next((stream for stream in streams if stream.isatty()), None)


class ChatService(Service):
    """The chat daemon, as a service of Twisted's application framework."""

    log = Logger()

    def __init__(
        self,
        config: Config,
        database: Database | None,
        motd: list[str],
        credentials: Credentials | None,
        key: HostKey,
        reactor: Any,
    ) -> None:
        """``database`` is claimed; without one, nothing is persisted. Without ``credentials``, TLS is disabled."""
        self._config = config.effective()
        self._database = database
        self._motd = motd
        self._credentials = credentials
        self._host_key = key
        self._reactor = reactor
        self._places = [(place.where, chosen(place.protocols or config.protocols)) for place in places(config)]
        self._spoken = ways_in(frozenset().union(*(words for _, words in self._places)), self._config, credentials)
        self.log_writer: LogWriter | None = None
        self._ports: list[IListeningPort] = []
        self._metrics: Metrics | None = None
        self._ending = Ending(reactor, lambda: self.log.info("[SERVER] Shutting down already."))
        self._login_log = LoginLog(reactor.seconds)
        self._told: Counter[str] = Counter()  # the number of refusals logged, by reason

    def setServiceParent(self, parent: Any) -> None:
        """Called by twistd. Its application can have a log observer."""
        super().setServiceParent(parent)
        if self.log_writer is not None:
            parent.setComponent(ILogObserver, self.log_writer)

    def startService(self) -> None:
        """Called by Twisted, in the daemon. Raise `CannotListenError`. End the process if the log cannot be opened."""
        super().startService()
        try:
            self.messages = self._open_log()
        except StateError as error:
            self.log.critical("{why}", why=str(error))
            print(f"twistd chat: {error}", file=sys.__stderr__)
            raise SystemExit(1) from None
        self.accounts = PortalAccounts(
            self._password_of, lambda *changed: self.hub.rehashed(*changed), self._reactor.callFromThread
        )
        records = self._open_records()
        desk = DaemonClaimDesk(Path(self._config.state) if self._database else None, terminal(), self._run_blocking)
        self.hub = Hub(
            self.messages,
            records,
            self.accounts,
            time.time,
            self._reactor.seconds,
            self._drive,
            bounds=self._config.bounds,
            waits=ReactorWaits(self._reactor),
            failed_login=self._login_log,
            stop=self._stop_reactor,
            exit_stops=self._config.exit_stops_server,
            transcript=self._log_message if self._config.log_messages else None,
            motd=self._motd,
            operators=self._config.operator,
            claim_desk=desk,
            reserved=table.words,
            spoken=self._spoken,
            fingerprint=self._fingerprints,
        )
        self.hub.restore(records.load())
        desk.begin()
        self._gate = self._make_gate()
        self.hub.watchers.append(self._gate.watch)
        self._frame = Frame(
            hub=self.hub,
            table=table,
            config=self._config,
            clock=self._reactor,
            gate=self._gate,
            credentials=self._credentials,
            host_key=self._host_key,
        )
        self._ticker = Ticker(self._reactor, self._tick)
        self._ticker.start()
        for wanted, words in self._places:
            self._listen(wanted, port_factory(self._frame, words))
        if self._config.metrics:
            # Imported here: with twisted.web it takes a tenth of the start-up time, which is wasted without --metrics.
            from twisted_chat.metrics import Metrics

            self._metrics = Metrics(self._frame, self._reactor)
            self._listen(self._config.metrics, self._metrics.site)
        self._tell_fingerprint()
        self._restore_hangup = systemd.on_hangup(self._reactor, self._reload)
        self._loading = Loading(self._reactor, self._what_can_wait())
        self._loading.start()
        self._reactor.callWhenRunning(self._ending.watch)
        self._reactor.callWhenRunning(systemd.notify, "READY=1")
        if self.log_writer is not None:
            self.log_writer.start(self._reactor)

    def stopService(self) -> "Deferred[None]":
        """Called by Twisted at the shutdown, which waits for the Deferred."""
        super().stopService()
        self.log.info("[SERVER] Shutting down...")
        systemd.notify("STOPPING=1")
        self._restore_hangup()
        self._ending.has_begun()
        return Deferred.fromCoroutine(self._drain())

    @property
    def addresses(self) -> list[IAddress]:
        """The addresses on which the server listens."""
        return [port.getHost() for port in self._ports]

    def _open_log(self) -> MessageLog:
        sizes = {"tail_bytes": self._config.tail_bytes, "batch_bytes": self._config.batch_bytes}
        if self._database is None:
            return MemoryLog(lambda call: self._reactor.callLater(0, call), **sizes)
        retention = None
        if self._config.keep is not None or self._config.keep_size is not None:
            keep, size = self._config.keep, self._config.keep_size
            retention = Retention(self._database, time.time, time.monotonic, seconds=keep, size=size)
        waiting = self._config.waiting_bytes
        return SqliteLog(self._database, self._reactor, waiting_bytes=waiting, retention=retention, **sizes)

    def _open_records(self) -> Records:
        if isinstance(self.messages, SqliteLog) and self._database is not None:
            return SqliteRecords(self._database, self.messages.submit)
        return MemoryRecords()

    def _password_of(self, key: str) -> str | None:
        account = self.hub.registry.accounts.get(key)
        return account.password if account else None

    def _make_gate(self) -> Gate:
        descriptors = resources.raise_descriptors()
        numbers = self._config.numbers
        if numbers.most is None:
            numbers = replace(numbers, most=resources.most_connections(descriptors, resources.memory()))
        self.log.info("At most {most} connections, of {descriptors} descriptors.", most=numbers.most, descriptors=descriptors)
        if self._config.limits is Limits.OFF:
            self.log.critical(LIMITS_OFF)
        return Gate(numbers, self._config.exempt, lambda: self.hub.named, SystemRandom().random)

    def _listen(self, wanted: TcpPort | str, factory: IProtocolFactory) -> None:
        failures: list[Failure] = []
        listen(self._reactor, wanted, factory).addCallbacks(self._listening, failures.append)
        if failures:
            failures[0].raiseException()

    def _listening(self, port: IListeningPort) -> None:
        if isinstance(port, Port):
            serve(port)
        self._ports.append(port)
        self.log.info("[LISTENING] Server is listening on {address}", address=address_text(port.getHost()))

    def _reload(self) -> None:
        """Reload the certificate on SIGHUP, for new connections. Open connections keep theirs."""
        if self._credentials is None:
            return
        try:
            self._credentials.reload()
        except BadCertificate as error:
            self.log.error("[TLS] The certificate stays the old one. {why}", why=str(error))
        else:
            self._tell_fingerprint()

    def _tell_fingerprint(self) -> None:
        for line in self._credentials.told() if self._credentials else ():
            self.log.info("[TLS] {line}", line=line)
        if "ssh" in self._spoken:
            for line in self._host_key.told():
                self.log.info("[SSH] {line}", line=line)

    def _fingerprints(self) -> tuple[str, ...]:
        """Return the server's fingerprints in each protocol that authenticates the server."""
        tls = self._credentials.told() if self._credentials else ()
        return tls + (self._host_key.told() if "ssh" in self._spoken else ())

    def _what_can_wait(self) -> tuple[Callable[[], object], ...]:
        """Return the loaders to run once the server listens. The last one excludes all live objects from garbage collection."""
        return confusables.prototypes, wrapping.looks, *self._frame.later, portal.load, resources.keep_what_is_there

    def _run_blocking(self, work: Callable[[], None]) -> None:
        """Run file access where it does not block the reactor."""
        if isinstance(self.messages, SqliteLog):
            self.messages.submit(work).addErrback(lambda failure: self.log.failure("while writing a file", failure))

    def _drive(self, coroutine: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(coroutine).addErrback(lambda failure: self.log.failure("while reading on", failure))

    def _log_message(self, event: Spoken) -> None:
        self.log.info("[{author}] {room} {text}", author=event.author, room=event.room, text=event.text)

    def _tick(self, now: float) -> None:
        for connection in tuple(self._frame.connections):
            connection.tick(now)
        self._login_log.sum_up()
        refused = {reason: count - self._told[reason] for reason, count in self._gate.refused.items()}
        self._told = Counter(self._gate.refused)
        for reason, count in refused.items():
            if count:
                self.log.info("[REFUSED] {count} connections ({reason}).", count=count, reason=reason)

    def _stop_reactor(self, seconds: float) -> None:
        self._reactor.callLater(seconds, self._stop)

    def _stop(self) -> None:
        if self.running:
            self._ending.has_begun()
            self._reactor.stop()

    async def _drain(self) -> None:
        self.hub.stopping = True
        self._loading.stop()
        self._ticker.stop()
        if self._metrics is not None:
            self._metrics.stop()
        for port in self._ports:
            await maybeDeferred(port.stopListening)
        for undecided in tuple(self._frame.undecided):
            undecided.close()
        await self._at_most(self._config.draining_seconds, self._say_goodbye())
        for connection in tuple(self._frame.connections):
            connection.transport.abortConnection()
        await deferLater(self._reactor, 0)
        self.accounts.stop()
        closing: Any = self.messages.close()
        await self._at_most(1.0, closing)

    async def _say_goodbye(self) -> None:
        """Process received input, then close every connection with a message."""
        for connection in tuple(self._frame.connections):
            connection.finish("Server is shutting down")
        while self._frame.connections:
            await deferLater(self._reactor, 0.01)

    async def _at_most(self, seconds: float, coroutine: Coroutine[Any, Any, None]) -> None:
        waiting = Deferred.fromCoroutine(coroutine)
        waiting.addTimeout(seconds, self._reactor)
        await DeferredList([waiting], consumeErrors=True)


def address_text(address: IAddress) -> str:
    """Return an address of the server: ``127.0.0.1:5555``, ``[::]:5555``, or a path."""
    if isinstance(address, IPv6Address):
        return f"[{address.host}]:{address.port}"
    if isinstance(address, IPv4Address):
        return f"{address.host}:{address.port}"
    name = getattr(address, "name", address)
    return name.decode(errors="backslashreplace") if isinstance(name, bytes) else str(name)
