"""One reader stops for a minute in a busy room: the server's memory, the others' latency, and what the reader gets then.

``python bench/stalled_reader.py [SECONDS] [MESSAGES_A_SECOND]`` starts a daemon of its own and prints what it measured.
"""

import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
RATE = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
WARM_UP = 10.0
TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]


def connect(port: int, name: str) -> socket.socket:
    """A program in the lobby, whose socket has a small buffer."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.connect(("127.0.0.1", port))
    client.sendall(json.dumps({"type": "hello", "name": name}).encode() + b"\n")
    return client


def memory(pid: int) -> float:
    """Resident memory in MiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def watch(client: socket.socket, seen: list[tuple[float, float, int]], until: int) -> None:
    """Note (when, latency, number) of each message, up to and with message ``until``."""
    for line in client.makefile("rb"):
        if line.startswith(b'{"type":"said"'):
            event = json.loads(line)
            sent, number = event["text"].split()
            now = time.monotonic()
            seen.append((now, now - float(sent), int(number)))
            if int(number) == until:
                return


def main() -> None:
    """Run it."""
    state = tempfile.mkdtemp()
    command = [*TWISTD, "-n", "--pidfile=", "chat", "--host=127.0.0.1", "--port=0", f"--state={state}"]
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    port = next(int(m[1]) for line in daemon.stdout if (m := re.search(r"listening on 127\.0\.0\.1:(\d+)", line)))
    last = int((WARM_UP + SECONDS) * RATE) - 1
    sender, fast, slow = (connect(port, name) for name in ("Sender", "Fast", "Slow"))
    threading.Thread(target=lambda: [None for _ in iter(lambda: sender.recv(65536), b"")], daemon=True).start()
    fast_seen: list[tuple[float, float, int]] = []
    slow_seen: list[tuple[float, float, int]] = []
    reading = threading.Thread(target=watch, args=(fast, fast_seen, last))
    reading.start()
    begun = time.monotonic()
    before, rss = 0.0, []
    for number in range(last + 1):
        due = begun + number / RATE
        if due > time.monotonic():
            time.sleep(due - time.monotonic())
        if number == int(WARM_UP * RATE):
            before = memory(daemon.pid)
        sender.sendall(json.dumps({"type": "say", "text": f"{time.monotonic()} {number}"}).encode() + b"\n")
        if number % RATE == 0:
            rss.append(memory(daemon.pid))
    reading.join(30)
    watch(slow, slow_seen, last)
    during = [latency for when, latency, _ in fast_seen if when > begun + WARM_UP]
    first = [latency for when, latency, _ in fast_seen if when <= begun + WARM_UP]
    for title, latencies in (("first 10 s", first), ("rest", during)):
        cuts = statistics.quantiles(latencies, n=100)
        print(f"the others' latency, {title}: p50 {cuts[49] * 1e3:.2f} ms, p99 {cuts[98] * 1e3:.2f} ms")
    print(f"memory: {rss[0]:.1f} MiB at the start, {before:.1f} after the first 10 s, {max(rss):.1f} at the most")
    for name, seen in (("fast", fast_seen), ("slow", slow_seen)):
        right = [number for *_, number in seen] == list(range(last + 1))
        print(f"{name} reader: {len(seen)} of {last + 1} messages, in order and once: {right}")
    daemon.terminate()
    daemon.wait()


if __name__ == "__main__":
    main()
