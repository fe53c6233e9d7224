"""What the process gets of the machine, and how it uses it: descriptors, memory, garbage collection."""

import gc
import resource
from collections.abc import Iterator
from pathlib import Path

# More descriptors than this are not asked for: some systems allow a thousand million.
MOST_DESCRIPTORS = 65536 + 128
# Descriptors that are not for connections: some twenty for the database, the log, listening sockets and the reactor's own;
# for those who are turned away, two turns' worth (`sockets.ACCEPTS_A_TURN`); and many to spare. Of few, a half.
RESERVE, LEAST_RESERVE = 128, 40
# What a connection takes at the worst, in bytes: 64 KiB that wait to be worked off and as much again just read, 64 KiB
# that wait to be sent, and one batch or page more.
CONNECTION_BYTES = 256 * 1024
# The share of all memory that connections may take at the worst.
MEMORY_SHARE = 0.5
# Where Linux says how much memory a group of processes may have: cgroup v1, and v2 (see cgroups(7)).
GROUPS = {"memory": ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), "": ("/sys/fs/cgroup", "memory.max")}


def raise_descriptors() -> int:
    """Raise the limit of open descriptors as far as it goes. Returns what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def collect_seldom() -> None:
    """Look for garbage in circles less often: messages make none, connections some when they end.

    Twenty thousand objects (CPython's own default is 700) are a few MiB of memory, and some 300 connections' worth.
    """
    gc.set_threshold(20_000, 10, 10)


def keep_what_is_there() -> None:
    """What is there now stays to the end, and is never looked at again by who looks for garbage."""
    gc.collect()
    gc.freeze()


def memory() -> int | None:
    """How many bytes of memory the process may take: its own limit, its group's, or what the machine has; None if unknown."""
    limits = [int(text) for path in _group_limits() if (text := _read(path)).isdigit()]
    own, _ = resource.getrlimit(resource.RLIMIT_AS)
    if own != resource.RLIM_INFINITY:
        limits.append(own)
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            limits.append(int(line.split()[1]) * 1024)
    return min(limits, default=None)


def most_connections(descriptors: int, memory: int | None) -> int:
    """How many connections so many descriptors and bytes are enough for."""
    most = descriptors - min(RESERVE, max(LEAST_RESERVE, descriptors // 2))
    if memory is not None:
        most = min(most, int(memory * MEMORY_SHARE) // CONNECTION_BYTES)
    return max(1, most)


def _group_limits() -> Iterator[Path]:
    """The files that hold the limits of the groups this process is in."""
    for line in _read("/proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in GROUPS:
                top, name = GROUPS[controller]
                innermost = Path(top, group.strip("/"))
                yield from (folder / name for folder in (innermost, *innermost.parents) if folder.is_relative_to(top))


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text("ascii").strip()
    except OSError:
        return ""
