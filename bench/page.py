"""What the web page costs in Chromium: bytes over the wire, time until one can type, and scrolling through 10,000 messages.

``python bench/page.py`` starts a daemon of its own; it needs `chromium` and the library playwright. Script, style and layout
are counted in processor time of the page's thread, from Chromium's own metrics: so other work on the machine is not in them.
"""

import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page, sync_playwright

CHECKOUT = Path(__file__).parent.parent
TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
MESSAGES = 10_000
LOADS = 7
# How many frames are scrolled, and how far each, in pixels: a fast wheel.
FRAMES, STEP = 600, 400
SIZE = {"width": 1280, "height": 800}
# The page's parts of a frame, by what Chromium calls them.
PARTS = {"script": "ScriptDuration", "style": "RecalcStyleDuration", "layout": "LayoutDuration", "all tasks": "TaskDuration"}


@contextmanager
def daemon() -> Iterator[int]:
    """A daemon. Gives its port."""
    with tempfile.TemporaryDirectory() as state:
        command = [*TWISTD, "-n", "--pidfile=", "chat", "--host=127.0.0.1", "--port=0", f"--state={state}", "--limits=off"]
        process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.search(r"listening on 127\.0\.0\.1:(\d+)", line):
                    yield int(found[1])
                    break
        finally:
            process.terminate()
            process.communicate()


def fill(port: int) -> None:
    """Say so many messages, by eight people, of 5 to 60 words."""
    people = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
    for number, person in enumerate(people):
        person.sendall(json.dumps({"type": "hello", "name": f"person{number}"}).encode() + b"\n")
    for number in range(MESSAGES):
        text = f"message {number} " + " ".join(["lorem", "ipsum", "dolor"][: 1 + number % 3] * (1 + number * 7 % 20))
        people[number // 5 % 8].sendall(json.dumps({"type": "say", "id": str(number), "text": text}).encode() + b"\n")
    for person in people:
        person.sendall(b'{"type":"ping"}\n')
        seen = b""
        while b'"pong"' not in seen[-100_000:]:
            seen = seen[-1000:] + person.recv(1 << 20)
        person.close()


def loads(browser: Any, port: int) -> None:
    """Print how many bytes come, and how long it takes until the field for the name has the focus."""
    times = []
    for _ in range(LOADS):
        context = browser.new_context(viewport=SIZE)
        page = context.new_page()
        page.add_init_script(
            "addEventListener('focusin', event => event.target.id === 'name' && (window.ready ??= performance.now()))"
        )
        page.goto(f"http://127.0.0.1:{port}/")
        times.append(page.wait_for_function("() => window.ready").json_value())
        sizes = page.evaluate(
            "performance.getEntries().filter(one => 'transferSize' in one).map(one => [one.transferSize, one.decodedBodySize])"
        )
        context.close()
    wire, whole = sum(wire for wire, _ in sizes), sum(whole for _, whole in sizes)
    print(f"over the wire: {wire / 1024:.1f} KiB in {len(sizes)} files, heads included ({whole / 1024:.1f} KiB as they are)")
    print(f"until one can type a name: median {statistics.median(times):.0f} ms, longest {max(times):.0f} ms of {LOADS} loads")


def metrics(devtools: CDPSession) -> dict[str, float]:
    """Chromium's own counts, in seconds."""
    return {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}


def scrolling(browser: Any, port: int) -> None:
    """Print what it costs to come in to so many messages, to scroll through them, and to be shown a new one."""
    context = browser.new_context(viewport=SIZE)
    # Who has read nothing yet is handed all: the state that a page which is loaded again has.
    kept = json.dumps(json.dumps({"name": "Reader", "rooms": {"#lobby": 0}, "client": "secret"}))
    seen = json.dumps(json.dumps({"channels": [{"key": "#lobby", "name": "#lobby", "rows": []}]}))
    context.add_init_script(f"sessionStorage.setItem('conversation', {kept}); sessionStorage.setItem('channels', {seen})")
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(f"http://127.0.0.1:{port}/")
    page.wait_for_function(f"() => document.querySelectorAll('.row.said').length === {MESSAGES}", timeout=120_000)
    page.evaluate(TWO_FRAMES)
    before = metrics(devtools)
    print(f"{MESSAGES} messages read and drawn: {before['TaskDuration']:.2f} s of processor time")
    print(f"heap with them: {before['JSHeapUsedSize'] / 2**20:.0f} MiB")
    for name, step in (("up", -STEP), ("down", STEP)):
        before = metrics(devtools)
        gaps = page.evaluate(SCROLL, [FRAMES, step])
        after = metrics(devtools)
        parts = ", ".join(f"{part} {(after[metric] - before[metric]) / FRAMES * 1000:.2f}" for part, metric in PARTS.items())
        late = sum(gap > 1000 / 60 * 1.5 for gap in gaps)
        print(f"scrolling {name}, {FRAMES} frames of {STEP} px: ms a frame: {parts}; {late} frames late")
    newcomer(page, devtools, port)
    context.close()


def newcomer(page: Page, devtools: CDPSession, port: int) -> None:
    """Print what it costs to be shown one more message, at the end of so many."""
    page.evaluate("document.querySelector('.log').scrollTop = 1e9")
    page.evaluate(TWO_FRAMES)
    with socket.create_connection(("127.0.0.1", port)) as person:
        person.sendall(b'{"type":"hello","name":"late"}\n')
        page.wait_for_function("() => document.querySelector('.block:last-child').textContent.includes('late joined')")
        before = metrics(devtools)
        for number in range(100):
            person.sendall(b'{"type":"say","text":"one more %d"}\n' % number)
            time.sleep(0.05)  # so that each has a frame of its own
        after = metrics(devtools)
        assert page.locator(".row.said > .text").last.text_content() == "one more 99"
    print(f"one more message at the end: {(after['TaskDuration'] - before['TaskDuration']) * 10:.2f} ms of processor time")


TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
SCROLL = """([frames, step]) => new Promise(done => {
    const log = document.querySelector('.log:not([hidden])');
    const gaps = [];
    let last = performance.now();
    const frame = now => {
        gaps.push(now - last);
        last = now;
        log.scrollTop += step;
        gaps.length < frames ? requestAnimationFrame(frame) : done(gaps.slice(1));
    };
    requestAnimationFrame(frame);
})"""


def main() -> None:
    """Measure, and print."""
    with daemon() as port, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        print(f"Chromium {browser.version}")
        loads(browser, port)
        fill(port)
        scrolling(browser, port)
        browser.close()


if __name__ == "__main__":
    main()
