"""What systemd is told of the daemon (sd_notify(3)), and its wish that settings be read again. Without systemd, nothing."""

import os
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any


def notify(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Say ``READY=1`` or ``STOPPING=1``, where ``NOTIFY_SOCKET`` says that somebody listens.

    Nobody has to: a daemon that was started by hand in a systemd session may be left with a socket that is gone.
    """
    path = environment.get("NOTIFY_SOCKET", "")
    if path[:1] not in ("/", "@"):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.sendto(state.encode(), "\0" + path[1:] if path[0] == "@" else path)
        except OSError:
            return


def on_hangup(reactor: Any, call: Callable[[], None]) -> Callable[[], object]:
    """Call something in the reactor for each SIGHUP, which would end the process else. Returns what sets it back."""
    before = signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(call))
    return lambda: signal.signal(signal.SIGHUP, before)
