"""What Prometheus is told."""

import re
import urllib.request
from pathlib import Path

from daemons import PATIENCE, Talker, running
from twisted.web.test.requesthelper import DummyRequest

from twisted_chat.metrics import LATENESS_SECONDS, Metrics
from twisted_chat.testing import Chat


def asked(metrics: Metrics, path: bytes) -> tuple[int, str]:
    """The status and text of a page."""
    request = DummyRequest([path])
    resource = metrics.site.resource.getChildWithDefault(path, request)
    text = resource.render(request).decode()
    return request.responseCode or 200, text


def numbers(text: str) -> dict[str, float]:
    """Each line's number."""
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}


def test_what_happened_is_counted_and_what_is_there_is_looked_at() -> None:
    """Two in a room, one of whom reads nothing; one who is turned away; a clock that is late."""
    chat = Chat()
    metrics = Metrics(chat.frame, chat.clock)
    ann, ben = chat.enter("Ann"), chat.enter("Ben", kind="json")
    before = numbers(asked(metrics, b"metrics")[1])
    ben.transport.stop_reading()
    for _ in range(3):
        ann.send("x" * 4000)
    while chat.hub.people["ben"][0].live:
        ann.send("x" * 4000)
    ann.send("behind")
    chat.connect().send_bytes(b"*1\r\n$4\r\nPING\r\n")
    chat.connect()
    chat.clock.advance(LATENESS_SECONDS + 0.2)
    now = numbers(asked(metrics, b"metrics")[1])
    said = now['chat_messages_total{fate="kept"}']
    assert said >= 4
    assert now["chat_deliveries_total"] - before["chat_deliveries_total"] >= 2 * said
    assert now["chat_commit_seconds_count"] == said
    assert now["chat_slowest_reader_events"] >= 1 > before["chat_slowest_reader_events"]
    assert now['chat_connections{encrypted="no",protocol="JSON"}'] == 1
    assert now["chat_people"] == 2
    assert now['chat_refusals_total{reason="Redis"}'] == 1
    assert now["chat_reactor_lateness_seconds_count"] == 1
    assert 0.19 < now["chat_reactor_lateness_seconds_sum"] < 0.21


def test_health_is_whether_what_is_said_is_kept() -> None:
    """The disk fails, and is back."""
    chat = Chat()
    metrics = Metrics(chat.frame, chat.clock)
    assert asked(metrics, b"health") == (200, "well\n")
    reader = chat.log._reader  # type: ignore[attr-defined]
    reader.history_stopped("the disk is full")
    assert asked(metrics, b"health") == (503, "what is said is shown, but not kept\n")
    reader.history_back()
    assert asked(metrics, b"health")[0] == 200


def test_prometheus_can_read_it(tmp_path: Path) -> None:
    """Over HTTP, on an endpoint of its own; and it stops with the daemon."""
    with running(tmp_path, "--metrics=tcp:0:interface=127.0.0.1") as daemon:
        port = re.findall(r"listening on 127\.0\.0\.1:(\d+)", daemon.wait_for(r"(?s)LISTENING.*LISTENING[^\n]*\n")[0])[1]
        ann = Talker(daemon.port, "Ann")
        ann.say("hello")
        ann.until("I received your message - 'hello'")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
            assert answer.headers["content-type"].startswith("text/plain; version=")
            assert numbers(answer.read().decode())['chat_messages_total{fate="kept"}'] == 1
        assert daemon.end() == -15
        assert "Traceback" not in daemon.output
