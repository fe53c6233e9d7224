"""The bundled client's conversation in memory, and its terminal in a pseudo-terminal."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest
from client_wire import Front, Wire
from daemons import ENVIRONMENT, PATIENCE, running

from twisted_chat.client.__main__ import place
from twisted_chat.client.connection import Conversation
from twisted_chat.core.events import Refused, RoomList, RoomSummary, Said
from twisted_chat.protocols.terminal.rendering import lines, painted, terminal_text

HOSTILE = "\x1b]0;x\x07\x9b2J\u202e\x00" + "\x0031\x00\x1b[2J\x00\x00"
ODD_LINES = [
    {"type": "said", "seq": 1, "time": 1e300, "room": "#lobby", "author": "Al", "text": "x"},
    {"type": "said", "seq": "1", "time": 1.0, "room": "#lobby", "author": "Al", "text": "x"},
    {"type": "said", "seq": 1, "time": 1.0, "room": "#lobby", "author": ["Al"], "text": "x"},
    {"type": "people", "room": "#lobby", "names": "Al"},
    {"type": "people", "room": "#lobby", "names": [1]},
    {"type": "listing", "of": "x", "columns": [], "rows": [1]},
    {"type": "history", "room": "#lobby", "events": [], "today": -1},
    {"type": "welcome", "name": "Al", "log": "x", "commands": [["one"]]},
]


@pytest.mark.parametrize("odd", ODD_LINES)
def test_what_is_no_event_of_a_server_is_passed_over(odd: dict[str, Any]) -> None:
    """A server that sends nonsense is not shown, and does not end the client."""
    front = Front()
    wire = Wire(Conversation(front, "Al", None))
    wire.connection.dataReceived(json.dumps(odd).encode() + b"\n")
    assert front.happenings == []
    assert not wire.transport.disconnecting


def test_a_servers_words_do_not_control_a_terminal() -> None:
    """P3 holds against the server, too: names, texts and answers are made safe where they are shown."""
    for kind in (
        Said(1, 1.0, "#lobby", HOSTILE, HOSTILE),
        Refused(HOSTILE, HOSTILE),
        RoomList((RoomSummary(HOSTILE, 1, HOSTILE, True),)),
    ):
        for paint in (str, painted):
            shown = "".join(terminal_text(line) for line in lines(kind, paint=paint))
            assert not [char for char in re.sub("\x1b\\[[0-9]{1,2}m", "", shown) if category(char)[0] == "C"]


def test_it_resumes_where_it_was_and_sends_again_what_was_not_receipted() -> None:
    """After a reconnect: the same secret, each room's position, and each pending message under its own id."""
    front = Front()
    conversation = Conversation(front, "Al", "#a")
    first = Wire(conversation)
    hello = first.sent()[0]
    assert (hello["name"], hello["rooms"]) == ("Al", {"#a": None})
    first.send(type="welcome", name="Al", log="L", commands=[])
    first.send(type="joined", seq=7, time=0, room="#a", name="Al", here=1)
    conversation.say("one")
    conversation.say("two")
    one, two = first.sent()
    first.send(type="receipt", seq=8, room="#a", kept=True, id=one["id"])
    assert [text for text, _ in front.answers] == ["one"]
    first.connection.connectionLost()
    conversation.say("three")
    assert front.lines_lost == 1
    second = Wire(conversation)
    again = second.sent()
    assert again == [hello | {"rooms": {"#a": 7}, "log": "L"}]
    second.send(type="welcome", name="Al", log="L", commands=[])
    resent = second.sent()
    assert [(one["text"], one["again"]) for one in resent] == [("two", True), ("three", True)]
    assert resent[0]["id"] == two["id"]


def test_an_answer_to_a_prompt_can_not_become_a_message() -> None:
    """It has a request of its own, is sent once, and goes nowhere when the connection that asked is gone."""
    front = Front()
    conversation = Conversation(front, "Al", "#a", plain=True)
    first = Wire(conversation)
    first.send(type="welcome", name="Al", log="L", commands=[])
    conversation.say("/register", "line")
    asked = first.sent()[-1]
    first.send(type="error", code="password-needed", text="Choose a password:", prompt="Choose a password:", id=asked["id"])
    assert conversation.answer("hunter2")
    (answer,) = first.sent()
    assert (answer["type"], answer["text"]) == ("answer", "hunter2")
    first.send(type="error", code="bad-password", text="Too short. Choose:", prompt="Choose:", id=answer["id"])
    assert conversation.prompt == "Choose:"
    assert conversation.answer("correct horse")
    (answer,) = first.sent()
    first.send(type="ok", id=answer["id"])
    assert conversation.prompt is None
    assert not conversation.answer("correct horse")
    conversation.say("/password", "line")
    asked = first.sent()[-1]
    first.send(type="error", code="password-needed", text="Current:", prompt="Current:", id=asked["id"])
    first.connection.connectionLost()
    second = Wire(conversation)
    second.send(type="welcome", name="Al", log="L", commands=[])
    second.sent()
    assert not conversation.answer("correct horse")
    assert second.sent() == []


@pytest.mark.parametrize(
    "typed", ["/password old new", "\u200b/register hunter22", "／register hunter22", "register hunter22", "/nick Bob hunter22"]
)
def test_a_typed_secret_is_not_sent_in_clear(typed: str) -> None:
    """However its command is written: what the server would refuse to say would still be read on the way."""
    conversation = Conversation(Front(), "Al", "#a")
    wire = Wire(conversation)
    wire.send(type="welcome", name="Al", log="L", commands=[])
    wire.sent()
    conversation.say(typed, "line")
    assert wire.sent() == []
    assert conversation.pending == {}


def test_another_log_makes_positions_meaningless() -> None:
    """Where the server's log is another than before, rooms are entered as for the first time."""
    conversation = Conversation(Front(), "Al", "#a")
    first = Wire(conversation)
    first.send(type="welcome", name="Al", log="L", commands=[])
    first.send(type="said", seq=7, time=0, room="#a", author="Bo", text="x")
    assert conversation.rooms == {"#a": 7}
    first.connection.connectionLost()
    Wire(conversation).send(type="welcome", name="Al", log="M", commands=[])
    assert conversation.rooms == {"#a": None}


def test_what_a_server_sends_can_not_control_the_terminal() -> None:
    """Control characters are gone from what is shown; our own colours are not."""
    shown = terminal_text(f"[12:01] <{painted('Al')}> \x1b[2J\x07\u202ehi")
    assert shown.count("\x1b") == 2
    assert shown.endswith("\x1b[0m> [2Jhi")


def test_places() -> None:
    """HOST, HOST:PORT and IPv6 in both forms."""
    assert place("h") == ("h", 5555)
    assert place("h:1") == ("h", 1)
    assert place("[::1]:2") == ("::1", 2)
    assert place("::1") == ("::1", 5555)


def test_on_a_terminal(tmp_path: Path) -> None:
    """In a pseudo-terminal: asked for a name, greeted, receipted, and gone with status 0."""
    with running(tmp_path) as daemon:
        main, side = pty.openpty()
        client = subprocess.Popen(
            [sys.executable, "-m", "twisted_chat.client", f"127.0.0.1:{daemon.port}"],
            env=ENVIRONMENT | {"TERM": "xterm", "NO_COLOR": "1"},
            stdin=side,
            stdout=side,
            stderr=side,
        )
        os.close(side)
        steps = [
            ("What's your name?", "Simran"),
            ("Hello Simran, you are now connected!", "Hello"),
            ("Server: I received your message - 'Hello'", "exit"),
            ("Connection closed.", None),
        ]
        seen = ""
        end = time.monotonic() + PATIENCE
        for wanted, typed in steps:
            while wanted not in seen:
                assert time.monotonic() < end, seen
                if select.select([main], [], [], 1)[0]:
                    seen += os.read(main, 65536).decode(errors="replace")
                    if "\x1b[6n" in seen:  # prompt_toolkit asks where the cursor is
                        seen = seen.replace("\x1b[6n", "")
                        os.write(main, b"\x1b[1;1R")
            if typed is not None:
                os.write(main, typed.encode() + b"\r")
        assert client.wait(PATIENCE) == 0
        assert "Disconnecting from server..." in seen
        os.close(main)
