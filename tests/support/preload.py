"""Libraries of ours, preloaded into a daemon, that spoil what is under it: ``bad_disk`` its disk, ``clock`` its clock."""

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from daemons import program


@cache
def library(name: str) -> Path:
    """The library, compiled."""
    folder = Path(tempfile.mkdtemp(prefix="preload-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    compiled = folder / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([program("gcc"), "-shared", "-fPIC", "-Wno-unused-result", "-o", compiled, source, "-ldl"], check=True)
    return compiled


def preloaded(name: str, control: Path) -> dict[str, str]:
    """The environment of a daemon that has the library, which does what the file ``control`` says: see the source."""
    return {"LD_PRELOAD": str(library(name)), name.upper(): str(control)}


def set_clock(control: Path, seconds: int) -> None:
    """Let a daemon's wall clock be so many seconds ahead of the real one; see clock.c."""
    with control.open("r+b", buffering=0) as file:
        file.write(seconds.to_bytes(8, "little", signed=True))
