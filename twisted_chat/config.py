"""The settings: the only place where a default lives, each with its unit and its reason."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted_chat.core.settings import Receipts

MIB = 1024 * 1024


def option(default: Any, doc: str, short: str | None = None) -> Any:
    """A setting that the command line, the environment and the INI file can change. ``doc`` is its line in ``--help``."""
    return field(default=default, metadata={"doc": doc, "short": short})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the daemon was told to do. `tap` makes one from the command line, the environment and an INI file."""

    port: int | None = option(5555, "TCP port to listen on; 0 takes a free one.", "p")
    host: str = option("", "IP address to listen on. Default: every interface, IPv4 and IPv6.")
    listen: tuple[str, ...] = option(
        (),
        "Twisted endpoint to listen on, as unix:/run/chat or tcp:5555:interface=127.0.0.1. Repeatable;"
        " then --port counts only if it is given too.",
    )
    state: str = option("", "Folder for what is kept, or none to keep nothing. Default: the user's state folder.")
    receipts: Receipts = option(  # noqa: RUF009 (a dataclass field)
        Receipts.ALONE, "Who at a terminal is sent receipts: alone (who is alone in a room), always, or never."
    )
    exit_stops_server: bool = option(False, "Stop the daemon when anyone types exit.")
    log_messages: bool = option(False, "Write what is said to the daemon's log, too.")
    operator: tuple[str, ...] = option((), "A registered name that is an operator of the server. Repeatable.")
    motd: str = option("", "File of UTF-8 text to show to everyone who comes in.")

    grace: float = 0.3
    """Seconds before a silent client is greeted: clients that speak first do so at once, and people don't notice."""

    closing_seconds: float = 5.0
    """Seconds until a connection that was told goodbye is cut off, if the peer takes nothing."""

    draining_seconds: float = 4.0
    """Seconds until a shutdown stops waiting for the disk and for peers: done within 5 s in all."""

    patience: float = 60.0
    """Seconds without its socket taking a byte after which a full connection is cut off: the peer is gone."""

    backlog: int = 1024
    """Connections the kernel holds until they are accepted: a class that comes in at once."""

    tail_bytes: int = 4 * MIB
    """Memory for the end of the log, in bytes: minutes of a busy room. Readers further behind read from disk."""

    batch_bytes: int = 64 * 1024
    """Memory of one batch, in bytes: about what a connection holds before it is full, so none ever holds much more."""

    waiting_bytes: int = 16 * MIB
    """Memory for messages that wait to be kept, in bytes: 5 s of a locked disk at thousands of messages a second."""

    message_limit: int = 4096
    """Longest message, in bytes of UTF-8."""


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where to keep the log by default: systemd's folder, else the user's (XDG Base Directory Specification)."""
    if folder := environment.get("STATE_DIRECTORY"):
        return Path(folder.split(os.pathsep)[0])
    if home := environment.get("XDG_STATE_HOME"):
        return Path(home) / "twisted-chat"
    return Path("~/.local/state/twisted-chat").expanduser()
