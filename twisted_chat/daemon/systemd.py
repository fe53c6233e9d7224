"""Notify systemd of the daemon's state (sd_notify(3)), and call back on SIGHUP. Without systemd, do nothing."""

import os
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any


def notify(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Send a state such as ``READY=1`` or ``STOPPING=1`` to the socket named by ``NOTIFY_SOCKET``.

    Errors are ignored: a daemon started by hand in a systemd session may inherit a socket that no longer exists.
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
    """Run ``call`` in the reactor at each SIGHUP. Return a function that restores the previous handler."""
    before = signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(call))
    return lambda: signal.signal(signal.SIGHUP, before)
