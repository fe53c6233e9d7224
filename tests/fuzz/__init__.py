"""Fuzz targets: each module here has a ``check(data)`` that raises when a promise is broken. See README.md."""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

TARGETS = ("telnet", "lines", "json_lines", "commands", "text", "folding", "irc", "terminal", "web")
CORPUS = Path(__file__).parent / "corpus"


def target(name: str) -> Callable[[bytes], None]:
    """A target's function."""
    check: Callable[[bytes], None] = import_module(f"fuzz.{name}").check
    return check


def seeds(name: str) -> list[Path]:
    """The inputs that are kept for a target."""
    return sorted(path for path in (CORPUS / name).iterdir() if path.is_file())


def pieces(data: bytes) -> Iterator[bytes]:
    """Bytes cut in a way that depends on them, so that the fuzzer chooses the cuts."""
    at = 0
    while at < len(data):
        size = 1 + data[at] % 7
        yield data[at : at + size]
        at += size
