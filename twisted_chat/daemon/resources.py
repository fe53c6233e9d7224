"""Limits of the process: file descriptors, memory and garbage collection."""

import gc
import resource
from collections.abc import Iterator
from pathlib import Path

# The most descriptors that the process requests: some systems allow a thousand million.
MOST_DESCRIPTORS = 65536 + 128
# Descriptors that are not for connections: about twenty for the database, the log, listening sockets and the reactor,
# two turns' worth (`tcp.ACCEPTS_A_TURN`) for rejected connections, those that are waited for (`no_room.MOST_AT_ONCE`),
# and a reserve. If there are few descriptors, half of them.
RESERVE, LEAST_RESERVE = 128, 40
# The most memory that a connection takes, in bytes: 64 KiB of unprocessed input and as much again just read, 64 KiB of
# unsent output, and one more batch or page.
CONNECTION_BYTES = 256 * 1024
# The largest share of all memory that connections may take.
MEMORY_SHARE = 0.5
# The files in which Linux states the memory limit of a group of processes: cgroup v1, and v2 (cgroups(7)).
GROUPS = {"memory": ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), "": ("/sys/fs/cgroup", "memory.max")}


def raise_descriptors() -> int:
    """Raise the limit of open descriptors as far as possible. Return the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def collect_seldom() -> None:
    """Raise the thresholds of the garbage collector. Messages make no reference cycles, and connections few.

    Twenty thousand objects (CPython's default is 700) are a few MiB of memory, or the cycles of 300 connections.
    """
    gc.set_threshold(20_000, 10, 10)


def keep_what_is_there() -> None:
    """Exclude all live objects from garbage collection: they live as long as the process."""
    gc.collect()
    gc.freeze()


def memory() -> int | None:
    """Return the memory available to the process in bytes: the least of its limit, its group's and the machine's.

    Return None if none of them is known.
    """
    limits = [int(text) for path in _group_limits() if (text := _read(path)).isdigit()]
    own, _ = resource.getrlimit(resource.RLIMIT_AS)
    if own != resource.RLIM_INFINITY:
        limits.append(own)
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            limits.append(int(line.split()[1]) * 1024)
    return min(limits, default=None)


def most_connections(descriptors: int, memory: int | None) -> int:
    """Return the number of connections that fit into these descriptors and bytes."""
    most = descriptors - min(RESERVE, max(LEAST_RESERVE, descriptors // 2))
    if memory is not None:
        most = min(most, int(memory * MEMORY_SHARE) // CONNECTION_BYTES)
    return max(1, most)


def _group_limits() -> Iterator[Path]:
    """Yield the files that hold the limits of this process's groups."""
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
