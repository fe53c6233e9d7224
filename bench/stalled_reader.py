"""Readers that take nothing in a busy room: what the others notice, and what each costs.

``python bench/stalled_reader.py [--people 300] [--rate 1000] [--seconds 15]`` starts a daemon of its own, fills a room, and
measures how late messages come while all read, while 1 reader is stalled, and while 200 are. Then these read on, and have
to be shown all there was.
"""

import argparse
import json
import os
import re
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
STALLED = (0, 1, 200)
# How many messages are sent at once: as often as that, the sender wakes.
AT_ONCE = 10


def connect(port: int, name: str) -> socket.socket:
    """A program in the lobby, whose socket has a small buffer."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    client.connect(("127.0.0.1", port))
    client.sendall(json.dumps({"type": "hello", "name": name}).encode() + b"\n")
    return client


def read_along(port: int, people: int) -> None:
    """What the readers' process does: read and count lines. It is told on its standard input who is to stop."""
    selector = selectors.DefaultSelector()
    readers = [connect(port, "Reader" + "".join("abcdefghkp"[int(digit)] for digit in str(number))) for number in range(people)]
    counts = dict.fromkeys(readers, 0)
    for reader in readers:
        selector.register(reader, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    stalled: list[socket.socket] = []
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is not sys.stdin:
                counts[key.fileobj] += key.fileobj.recv(262144).count(b"\n")
                continue
            for line in os.read(sys.stdin.fileno(), 4096).decode().splitlines():
                command, number = line.split()
                if command == "stall":
                    for reader in stalled:
                        selector.register(reader, selectors.EVENT_READ)
                    stalled = readers[: int(number)]
                    for reader in stalled:
                        selector.unregister(reader)
                elif command == "begin":
                    counts = dict.fromkeys(readers, 0)
                else:
                    print(sum(count >= int(number) for count in counts.values()), flush=True)


class Readers:
    """The readers' process, from here."""

    def __init__(self, port: int, people: int) -> None:
        command = [sys.executable, __file__, "--readers", str(port), "--people", str(people)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._process.stdout.readline()

    def tell(self, command: str, number: int = 0) -> None:
        """``stall`` so many, ``begin`` to count."""
        self._process.stdin.write(f"{command} {number}\n")
        self._process.stdin.flush()

    def complete(self, lines: int) -> int:
        """How many have been shown so many lines."""
        self.tell("complete", lines)
        return int(self._process.stdout.readline())

    def end(self) -> None:
        """Stop them."""
        self._process.kill()
        self._process.communicate()


def memory(pid: int) -> float:
    """Resident memory in MiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def watch(client: socket.socket, late: list[float], shown: list[int]) -> None:
    """Note how late each message comes."""
    for line in client.makefile("rb"):
        if line.startswith(b'{"type":"said"'):
            sent, number = json.loads(line)["text"].split()
            late.append(time.monotonic() - float(sent))
            shown.append(int(number))


def speak(client: socket.socket, first: int, count: int, rate: int) -> None:
    """Say so many messages, at this rate."""
    begun = time.monotonic()
    for number in range(first, first + count, AT_ONCE):
        time.sleep(max(0.0, begun + (number - first) / rate - time.monotonic()))
        texts = (f"{time.monotonic()} {one}" for one in range(number, number + AT_ONCE))
        client.sendall(b"".join(json.dumps({"type": "say", "text": text}).encode() + b"\n" for text in texts))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--rate", type=int, default=1000, help="messages a second")
    parser.add_argument("--seconds", type=int, default=15, help="of each measurement")
    parser.add_argument("--readers", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.readers:
        read_along(options.readers, options.people)
    state = tempfile.mkdtemp()
    daemon = subprocess.Popen(
        [*TWISTD, "-n", "--pidfile=", "chat", "--host=127.0.0.1", "--port=0", f"--state={state}", "--limits=off"],
        stdout=subprocess.PIPE,
        text=True,
    )
    port = next(int(m[1]) for line in daemon.stdout if (m := re.search(r"listening on 127\.0\.0\.1:(\d+)", line)))
    threading.Thread(target=daemon.stdout.read, daemon=True).start()
    readers = Readers(port, options.people - 2)
    watcher, speaker = connect(port, "Watcher"), connect(port, "Speaker")
    late: list[float] = []
    shown: list[int] = []
    threading.Thread(target=watch, args=(watcher, late, shown), daemon=True).start()
    threading.Thread(target=lambda: [None for _ in iter(lambda: speaker.recv(65536), b"")], daemon=True).start()
    speak(speaker, 0, options.rate, options.rate)  # to warm up
    time.sleep(2)
    readers.tell("begin")
    said, before = options.rate, 0.0
    print(f"{options.people} people, {options.rate} messages/s, {options.seconds} s each")
    print("stalled      p50      p99    worst    memory    per stalled reader")
    for stalled in STALLED:
        readers.tell("stall", stalled)
        late.clear()
        speak(speaker, said, options.rate * options.seconds, options.rate)
        said += options.rate * options.seconds
        deadline = time.monotonic() + 60
        while (not shown or shown[-1] != said - 1) and time.monotonic() < deadline:
            time.sleep(0.05)
        now = memory(daemon.pid)
        cuts = statistics.quantiles(late, n=100)
        each = f"{(now - before) / stalled * 1024:8.0f} KiB" if stalled else ""
        times = " ".join(f"{one * 1000:5.1f} ms" for one in (cuts[49], cuts[98], max(late)))
        if not stalled:
            before = now  # the end of the log in memory is full by now
        print(f"{stalled:7} {times} {now:5.1f} MiB {each}", flush=True)
    readers.tell("stall", 0)
    wanted, deadline = said - options.rate, time.monotonic() + 120
    while (complete := readers.complete(wanted)) < options.people - 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    print(
        f"{complete} of {options.people - 2} readers were shown all {wanted} messages; {memory(daemon.pid):.1f} MiB in the end"
    )
    print(f"the watcher was shown {len(shown)} of {said}, in order: {shown == sorted(shown)}")
    readers.end()
    daemon.kill()
    daemon.wait()


if __name__ == "__main__":
    main()
