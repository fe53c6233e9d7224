"""Fuzz target: whatever two people and a program send, there is no bug, and no terminal is sent what moves its cursor.

A line's first byte says who sends it; an empty line lets the reactor turn.
"""

import json
import unicodedata
from typing import Any

from twisted.logger import globalLogPublisher

from twisted_chat.core.rooms.room import LOBBY
from twisted_chat.testing import Chat

# A line end, and what may stand in a line though it is of no shown kind: the joiners of letters and emoji.
ALLOWED = frozenset("\r\n\u200c\u200d")


def check(data: bytes) -> None:
    """Raises if a bug was logged, or something unprintable was sent to a person."""
    bugs: list[dict[str, Any]] = []

    def observe(event: dict[str, Any]) -> None:
        if "log_failure" in event:
            bugs.append(event)

    globalLogPublisher.addObserver(observe)
    try:
        chat = Chat()
        people = [chat.enter("Ann"), chat.connect("line")]
        program = chat.enter("Al", "json")
        clients = [*people, program]
        for line in data.split(b"\n"):
            if line:
                client = clients[line[0] % 3]
                if not client.closed:
                    client.send_bytes(line[1:] + b"\n")
            chat.turn()
        chat.clock.advance(1)
        for client in clients:
            client.end_input()
            assert client.closed
            client.transport.protocol.connectionLost()
        chat.turn()
    finally:
        globalLogPublisher.removeObserver(observe)
    assert not bugs, bugs[0]["log_failure"].getTraceback()
    for person in people:
        if b"\xff" not in data:  # telnet is answered in telnet
            text = person.transport.received.decode()
            assert not [char for char in text if char not in ALLOWED and unicodedata.category(char)[0] == "C"], text
    for line in program.transport.received.splitlines():
        json.loads(line)
    assert not chat.hub.people
    assert list(chat.hub.rooms) == [LOBBY]
