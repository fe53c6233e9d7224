"""Files that only their owner may read and write, whatever the umask and the folder allow.

A file is created with its mode: another user could open it before a later change of mode.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

FILE_MODE, OTHERS = 0o600, 0o077


def make(path: Path) -> None:
    """Create an empty file. Raise `OSError`, also if the name exists."""
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        os.fchmod(opened, FILE_MODE)  # the umask may even have removed the owner's access
    finally:
        os.close(opened)


def restrict(path: Path) -> bool:
    """Remove other users' access to a file. Return whether they had any. Raise `OSError`.

    Special files, such as ``/dev/null``, and symbolic links stay as they are.
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
