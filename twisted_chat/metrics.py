"""``--metrics``: metrics for Prometheus at ``/metrics``, and the server's health at ``/health``. Disabled, it costs nothing.

1. Counters sit between the log and the hub, and count once a batch, not once a reader. Current state (connections, lag) is
   collected on request.
2. Requests are answered in the reactor's thread, so that no state changes meanwhile. (prometheus_client's own resource
   collects in another thread.) For 5,000 connections that takes some milliseconds, every 15 s or so.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from twisted_chat.core.delivery.batch import Batch
from twisted_chat.core.events import KEPT
from twisted_chat.core.hub.hub import Hub
from twisted_chat.core.interfaces import Reader
from twisted_chat.daemon.login_log import protocol_word
from twisted_chat.protocols.registry import Frame

# The interval between measurements of the reactor's latency, in seconds.
LATENESS_SECONDS = 0.25
# Bounds of the histograms, in seconds: from a good disk's commit to a locked one's, and from a reactor's turn to a stall.
COMMIT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
LATENESS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Counted(Reader):
    """A reader of the log that counts, and passes everything on to the hub."""

    def __init__(self, hub: Hub, clock: IReactorTime, registry: CollectorRegistry) -> None:
        self.messages: Counter[str] = Counter()  # by outcome
        self.deliveries = 0
        self.history_works = True
        self._hub = hub
        self._clock = clock
        self._shown: dict[Batch, float] = {}  # the delivery time of each batch that waits for the disk
        self._commits = Histogram(
            "chat_commit_seconds",
            "From when messages are shown until they are on disk.",
            buckets=COMMIT_BUCKETS,
            registry=registry,
        )

    def deliver(self, batches: Sequence[Batch]) -> None:
        """Called by the log."""
        now = self._clock.seconds()
        kept = any(batch.keeps for batch in batches)
        for batch in batches:
            room = self._hub.rooms.get(batch.room)
            self.deliveries += len(batch.events) * (len(room.readers) if room else 1)
            if kept:
                self._shown[batch] = now
        self._hub.deliver(batches)

    def kept(self, batches: Sequence[Batch], duplicates: dict[int, int]) -> None:
        """Called by the log."""
        self._settle(batches, "kept")
        self._hub.kept(batches, duplicates)

    def not_kept(self, batches: Sequence[Batch]) -> None:
        """Called by the log."""
        self._settle(batches, "lost")
        self._hub.not_kept(batches)

    def history_stopped(self, why: str) -> None:
        """Called by the log."""
        self.history_works = False
        self._hub.history_stopped(why)

    def history_back(self) -> None:
        """Called by the log."""
        self.history_works = True
        self._hub.history_back()

    def _settle(self, batches: Sequence[Batch], fate: str) -> None:
        now = self._clock.seconds()
        for batch in batches:
            self.messages[fate] += sum(isinstance(event, KEPT) for event in batch.events)
            shown = self._shown.pop(batch, None)
            if shown is not None and batch.keeps:
                self._commits.observe(now - shown)


class Looked(Collector):
    """A collector of the current state, on request."""

    def __init__(self, frame: Frame, counted: Counted) -> None:
        self._frame = frame
        self._counted = counted

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client."""
        sessions = [connection.session for connection in self._frame.connections]
        ways = Counter((session.way.protocol, "yes" if session.way.encrypted else "no") for session in sessions)
        ways["not known yet", "no"] = len(self._frame.undecided)
        yield gauges("chat_connections", "Open connections.", ("protocol", "encrypted"), ways.items())
        yield GaugeMetricFamily("chat_people", "People and programs that have a name.", self._frame.hub.named)
        yield GaugeMetricFamily("chat_rooms", "Rooms.", len(self._frame.hub.rooms))
        counted = ((fate,) for fate in ("kept", "lost"))
        yield counters("chat_messages", "Messages.", ("fate",), ((fate, self._counted.messages[fate[0]]) for fate in counted))
        yield CounterMetricFamily("chat_deliveries", "Events handed to readers.", self._counted.deliveries)
        newest = self._frame.hub.log.newest
        lags = (newest - min(session.positions.values()) for session in sessions if not session.live and session.positions)
        yield GaugeMetricFamily("chat_slowest_reader_events", "How far the slowest reader is behind.", max(lags, default=0))
        refused = Counter(self._frame.refused) + self._frame.gate.refused
        yield counters(
            "chat_refusals", "Connections that were refused.", ("reason",), (((name,), n) for name, n in refused.items())
        )
        attempts = self._frame.hub.attempts
        for name, doc, counted_logins in (
            ("chat_login_failures", "Wrong passwords, keys, tokens and codes.", attempts.failures),
            ("chat_logins", "Right ones.", attempts.successes),
        ):
            rows = (((protocol_word(protocol), kind.value), n) for (protocol, kind), n in counted_logins.items())
            yield counters(name, doc, ("protocol", "kind"), rows)


def gauges(name: str, doc: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]) -> GaugeMetricFamily:
    """Return a family of gauges with these values."""
    family = GaugeMetricFamily(name, doc, labels=labels)
    for words, value in values:
        family.add_metric(words, value)
    return family


def counters(name: str, doc: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]) -> CounterMetricFamily:
    """Return a family of counters with these values."""
    family = CounterMetricFamily(name, doc, labels=labels)
    for words, value in values:
        family.add_metric(words, value)
    return family


class Lateness:
    """A measurement of how late the reactor runs its timers: during that delay it does nothing else."""

    def __init__(self, clock: IReactorTime, registry: CollectorRegistry) -> None:
        self._clock = clock
        self._histogram = Histogram(
            "chat_reactor_lateness_seconds", "How late the reactor is.", buckets=LATENESS_BUCKETS, registry=registry
        )
        self._wait()

    def stop(self) -> None:
        """Stop measuring."""
        self._call.cancel()

    def _wait(self) -> None:
        self._due = self._clock.seconds() + LATENESS_SECONDS
        self._call = self._clock.callLater(LATENESS_SECONDS, self._called)

    def _called(self) -> None:
        self._histogram.observe(max(0.0, self._clock.seconds() - self._due))
        self._wait()


class Page(Resource):
    """``/metrics``."""

    isLeaf = True

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def render_GET(self, request: Request) -> bytes:
        """Called by twisted.web."""
        request.setHeader(b"content-type", CONTENT_TYPE_LATEST.encode())
        return generate_latest(self._registry)


class Health(Resource):
    """``/health``: 200 while messages are persisted, else 503."""

    isLeaf = True

    def __init__(self, counted: Counted) -> None:
        super().__init__()
        self._counted = counted

    def render_GET(self, request: Request) -> bytes:
        """Called by twisted.web."""
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        if self._counted.history_works:
            return b"well\n"
        request.setResponseCode(503)
        return b"what is said is shown, but not kept\n"


class UncachedRequest(Request):
    """A request whose response must not be cached, whatever it is."""

    def process(self) -> None:
        """Called by twisted.web when the request is complete."""
        self.setHeader(b"cache-control", b"no-store")
        super().process()


class QuietSite(Site):
    """A site that does not log its requests."""

    noisy = False
    requestFactory = UncachedRequest

    def log(self, request: Request) -> None:
        """Called by twisted.web."""


class Metrics:
    """The metrics of one server."""

    def __init__(self, frame: Frame, clock: IReactorTime) -> None:
        """Insert the counters between the log and the hub."""
        registry = CollectorRegistry()
        counted = Counted(frame.hub, clock, registry)
        frame.hub.log.attach(counted)
        registry.register(Looked(frame, counted))
        self._lateness = Lateness(clock, registry)
        root = Resource()
        root.putChild(b"metrics", Page(registry))
        root.putChild(b"health", Health(counted))
        self.site = QuietSite(root, timeout=15)

    def stop(self) -> None:
        """Stop measuring."""
        self._lateness.stop()
