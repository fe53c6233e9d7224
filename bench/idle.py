"""What connections cost that do nothing: 5,000 idle ones, and 100,000 that come and go.

``python bench/idle.py [--idle 5000] [--flies 100000]`` starts a daemon of its own.
"""

import argparse
import json
import re
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]


def memory(pid: int) -> float:
    """Resident memory in MiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def cpu(pid: int) -> float:
    """Processor time that a process has used, in seconds."""
    return time.clock_gettime(~pid << 3 | 2)  # its clock's number, as clock_getcpuclockid(3) gives it


def connect(port: int, number: int) -> socket.socket:
    """A connection, from one of many addresses."""
    client = socket.socket()
    client.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
    client.bind((f"127.1.{number // 200 % 256}.{number % 200 + 1}", 0))
    client.connect(("127.0.0.1", port))
    return client


def greeted(client: socket.socket) -> None:
    """Wait until it has been welcomed."""
    data = b""
    while b'"welcome"' not in data:
        piece = client.recv(65536)
        assert piece, f"sent away: {data!r}"
        data += piece


def name(stem: str, number: int) -> str:
    """A name that looks like no other."""
    return stem + "".join("abcdefghkp"[int(digit)] for digit in str(number))


def hello(stem: str, number: int) -> bytes:
    """Come into a room of ten."""
    return json.dumps({"type": "hello", "name": name(stem, number), "rooms": {f"#{stem}{number // 10}": None}}).encode() + b"\n"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--flies", type=int, default=100_000)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    daemon = subprocess.Popen(
        [*TWISTD, "-n", "--pidfile=", "chat", "--host=127.0.0.1", "--port=0", f"--state={tempfile.mkdtemp()}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    port = next(int(m[1]) for line in daemon.stdout if (m := re.search(r"listening on 127\.0\.0\.1:(\d+)", line)))
    threading.Thread(target=lambda: [None for _ in daemon.stdout], daemon=True).start()
    before = memory(daemon.pid)
    idle = []
    for number in range(options.idle):
        client = connect(port, number)
        client.sendall(hello("idle", number))
        greeted(client)
        idle.append(client)
    after = memory(daemon.pid)
    print(f"{options.idle} idle: {after - before:.1f} MiB, {(after - before) * 1024 / options.idle:.1f} KiB each")
    time.sleep(5)
    used = cpu(daemon.pid)
    time.sleep(20)
    print(f"they take {(cpu(daemon.pid) - used) / 20:.2%} of a core", flush=True)
    for client in idle:
        client.close()
    begun = time.monotonic()
    for number in range(options.flies):
        client = connect(port, number)
        if number % 2:
            client.sendall(hello("fly", number))
            greeted(client)
        client.close()
        if (number + 1) % (options.flies // 10) == 0:
            rate = (number + 1) / (time.monotonic() - begun)
            print(
                f"{number + 1} came and went, half of them with a name: {memory(daemon.pid):.1f} MiB, {rate:.0f}/s", flush=True
            )
    daemon.kill()
    daemon.wait()


if __name__ == "__main__":
    main()
