"""Files that only their owner may read and write, whatever the umask and the folder allow.

A file is made with its mode: between making it and changing its mode somebody else could open it.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

FILE_MODE, OTHERS = 0o600, 0o077


def make(path: Path) -> None:
    """Make an empty file. Raises `OSError`, also if something has that name."""
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        os.fchmod(opened, FILE_MODE)  # the umask may have taken it from its owner, too
    finally:
        os.close(opened)


def restrict(path: Path) -> bool:
    """Take a file away from everybody but its owner. Returns whether others could use it. Raises `OSError`.

    What is no file, such as ``/dev/null``, or stands elsewhere, by a symbolic link, stays as it is.
    """
    with suppress(FileNotFoundError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_mode & OTHERS:
            path.chmod(stat.S_IMODE(status.st_mode) & ~OTHERS)
            return True
    return False


def size(path: Path) -> int:
    """Return the size of a file in bytes; 0 if it is not there."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
