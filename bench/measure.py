"""One run: a server on one core, the load on the other, and what the load measured."""

import os
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.figures import Run, parse
from bench.scenarios import Case
from bench.servers import BENCH, Server

# How long a server may take until it listens, and a run in all, in seconds.
START_SECONDS = 20.0
RUN_SECONDS = 240.0


class Failed(Exception):
    """Why there is no figure, in a few words."""


def build(folder: Path) -> None:
    """Compile what is in C. Raises `Failed`."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Failed("a C compiler is missing")
    for name, options in (("load", ()), ("limit", ()), ("nodelay", ("-shared", "-fPIC"))):
        command = [compiler, "-O2", "-Wall", "-o", str(folder / name), str(BENCH / f"{name}.c"), *options]
        if subprocess.run(command, check=False).returncode:
            raise Failed(f"{name}.c does not compile")


def cores() -> tuple[int, int]:
    """The core for the server and the one for the load. Raises `Failed`."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise Failed("two cores are needed, one for the server and one for the load")
    return usable[0], usable[-1]


def on_core(core: int) -> Callable[[], None]:
    """What a child does before it runs: go to a core, before others' work where that is allowed, with all descriptors."""

    def prepare() -> None:
        os.sched_setaffinity(0, {core})
        os.setsid()  # Linux shares a core out among sessions first (sched(7), autogroup), so a session of its own
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, -20)
            Path("/proc/self/autogroup").write_text("-20")
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    return prepare


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Raises `Failed` if it doesn't come to that."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise Failed(f"did not start: {log.read_text(errors='replace')[-300:]}")


def wait_until_at_rest(pid: int) -> None:
    """What a server loads when it listens already is no part of what connections cost."""
    deadline = time.monotonic() + START_SECONDS
    spent = None
    while time.monotonic() < deadline and spent != (spent := Path(f"/proc/{pid}/stat").read_text().split()[13:15]):
        time.sleep(0.5)


@contextmanager
def running(server: Server, folder: Path, core: int) -> Iterator[tuple[int, int]]:
    """A server, listening on a port: its process id and the port. It is ended without ceremony."""
    port = free_port()
    own = Path(tempfile.mkdtemp(dir=folder))
    environment = os.environ | {"PYTHONPATH": str(BENCH.parent)}
    if server.nodelay:
        environment["LD_PRELOAD"] = str(folder / "nodelay")
    with (own / "log").open("wb") as log:
        process = subprocess.Popen(
            server.command(own, port), cwd=own, env=environment, stdout=log, stderr=log, preexec_fn=on_core(core)
        )
        try:
            wait_until_listening(port, process, own / "log")
            wait_until_at_rest(process.pid)
            yield process.pid, port
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(own)


def run(server: Server, case: Case, folder: Path, seconds: float) -> Run:
    """Measure for so many seconds. Raises `Failed`."""
    server_core, load_core = cores()
    with running(server, folder, server_core) as (pid, port):
        command = [str(folder / "load"), f"--dialect={server.dialect}", f"--port={port}", f"--pid={pid}"]
        try:
            done = subprocess.run(
                [*command, *case.arguments(seconds, server.arriving)],
                capture_output=True,
                text=True,
                timeout=RUN_SECONDS,
                preexec_fn=on_core(load_core),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"took more than {RUN_SECONDS:.0f} s") from None
    if done.returncode:
        raise Failed(done.stderr.strip()[-300:] or f"the load ended with {done.returncode}")
    return parse(done.stdout)
