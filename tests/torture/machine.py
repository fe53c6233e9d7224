"""What a delay owes to the machine: for how long threads waited for a processor that others had.

The harness is run where other work is done, too. A promise about how long others wait is about the daemon: what it computes
and what it waits for, not how soon the kernel lets it run.
"""

import os
from pathlib import Path


class Machine:
    """Some processes' waits for a processor."""

    def __init__(self, *processes: int) -> None:
        """Looks at all threads that these have now."""
        threads = [thread for process in processes for thread in Path(f"/proc/{process}/task").iterdir()]
        self._files = [os.open(thread / "schedstat", os.O_RDONLY) for thread in threads]

    def waited(self) -> float:
        """Seconds, of all threads together, since they began."""
        return sum(map(_waited, self._files))


def _waited(file: int) -> float:
    """A thread's time on a processor, its time waiting for one, in nanoseconds, and how often it ran (proc(5))."""
    try:
        return int(os.pread(file, 100, 0).split()[1]) / 1e9
    except ProcessLookupError:
        return 0.0  # it has ended
