"""No password leaves the bundled client in clear, and no secret and nothing private stands in the daemon's log."""

import base64
import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from client_wire import Front, Wire
from daemons import ENVIRONMENT, PATIENCE
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import eventAsText, globalLogPublisher

from twisted_chat.client.connection import Conversation
from twisted_chat.core.events import RoomEvent
from twisted_chat.core.records import Account
from twisted_chat.testing import Chat

CANARY = "Canary$4711"  # which nobody can be called

# The client

typed = st.sampled_from(
    (
        f"/register {CANARY}",
        f"/password {CANARY}",
        f"/unregister {CANARY}",
        f"/nick Bo {CANARY}",
        f"/login Bo {CANARY}",
        f"/oper Bo {CANARY}",
        f"/OPER Bo {CANARY}",
        "/register",
        "hello",
    )
)
server_says: list[dict[str, Any]] = [
    {"type": "welcome", "name": "Al", "log": "L", "commands": [["secret", "/secret NAME PASSWORD"]]},
    *({"type": "error", "code": code, "text": "?", "id": "hello"} for code in ("password-needed", "wrong-password", "busy")),
    *({"type": "error", "code": code, "text": "?"} for code in ("password-needed", "bad-password")),
]
steps = st.one_of(
    st.tuples(st.just("type"), typed),
    st.tuples(st.just("type"), st.just(f"/secret Bo {CANARY}")),
    st.tuples(st.just("answer"), st.just(CANARY)),
    st.tuples(st.just("password"), st.just(CANARY)),
    st.tuples(st.just("hear"), st.sampled_from(server_says)),
    st.tuples(st.just("reconnect")),
)


def told_its_usage(done: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """A command that only the server knows is typed once its usage was told: nobody else can know that it takes a password."""
    known = next((at for at, step in enumerate(done) if step[0] == "hear" and step[1].get("commands")), len(done))
    return [step for at, step in enumerate(done) if at > known or not str(step[1:]).startswith("('/secret")]


@given(st.lists(steps, max_size=12), st.booleans())
@settings(max_examples=200, deadline=None)
def test_the_client_sends_no_password_in_clear(done: list[tuple[Any, ...]], given_first: bool) -> None:
    """Whatever the server asks for, and however often a connection is lost: in clear no password is sent."""
    conversation = Conversation(Front(), "Bo", None, CANARY if given_first else None)
    wire = Wire(conversation)
    sent = [wire.sent()]
    welcomed = server_says[0]
    for step in (*told_its_usage(done), ("hear", welcomed)):
        match step:
            case ("type", line):
                conversation.say(line, "line")
            case ("answer", answer):
                conversation.answer(answer)
            case ("password", password):
                conversation.password = password
                conversation.come_in()
            case ("hear", said):
                wire.send(**said)
            case ("reconnect",):
                wire.connection.connectionLost()
                wire = Wire(conversation)
        sent.append(wire.sent())
    assert CANARY not in json.dumps(sent)
    assert sent


def test_the_client_sends_a_password_in_clear_where_that_was_asked_for() -> None:
    """With --insecure-plain it does as it is told."""
    conversation = Conversation(Front(), "Bo", None, CANARY, plain=True)
    assert Wire(conversation).sent()[0]["password"] == CANARY


@contextmanager
def port_that(does: str) -> Iterator[tuple[int, list[bytes]]]:
    """A port on this machine where no TLS is spoken, and what was sent to it."""
    heard: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                with client, suppress(OSError):
                    first = client.recv(65536)
                    heard.append(first)
                    if does == "reset" and first.startswith(b"\x16"):
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    elif does == "alert" and first.startswith(b"\x16"):
                        client.sendall(b"\x15\x03\x01\x00\x02\x02\x28")
                    elif does == "plain" and first.startswith(b"\x16"):
                        client.sendall(b"Welcome to the chat server! What's your name?\r\n")
                    elif not first.startswith(b"\x16"):
                        client.sendall(b'{"type":"error","code":"password-needed","text":"Password:","id":"hello"}\n')
                        while more := client.recv(65536):
                            heard.append(more)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1], heard
    finally:
        listening.close()


@pytest.mark.parametrize("does", ["reset", "alert", "plain", "close"])
@pytest.mark.parametrize("password", [CANARY, None])
def test_the_client_does_not_fall_back_to_clear_text_with_a_password(does: str, password: str | None) -> None:
    """However TLS fails on a port of this machine: the password is not sent, and the client says why and fails."""
    with port_that(does) as (port, heard):
        found = subprocess.run(
            [sys.executable, "-m", "twisted_chat.client", "--name", "Bo", f"127.0.0.1:{port}"],
            env=ENVIRONMENT | ({"TWISTED_CHAT_PASSWORD": password} if password else {}),
            input="hello\n",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert found.returncode == 1
        assert "--insecure-plain" in found.stderr
        assert heard
        assert CANARY.encode() not in b"".join(heard)


# The daemon's log

authorization = base64.b64encode(f"\0Ann\0{CANARY}".encode()).decode()
LINES = {
    "line": (
        "Ann",
        f"Ann {CANARY}",
        CANARY,
        f"/register {CANARY}",
        "/register",
        "/password",
        f"/password {CANARY}",
        f"/login Ann {CANARY}",
        f"/oper Ann {CANARY}",
        f"/nick Ann {CANARY}",
        f"/resume Al {CANARY}",
        f"/code {CANARY}",
        f"/unregister {CANARY}",
        f"/msg Ann {CANARY}",
        f"/join #x {CANARY}",
        f"/room key {CANARY}",
        "/token Bot",
        "/invite",
        "/resume",
        "hello",
        "exit",
    ),
    "irc": (
        f"PASS {CANARY}",
        f"PASS Ann:{CANARY}",
        "NICK Al",
        "USER al 0 * :Al",
        "CAP REQ :sasl",
        "AUTHENTICATE PLAIN",
        f"AUTHENTICATE {authorization}",
        f"OPER Ann {CANARY}",
        f"PRIVMSG NickServ :IDENTIFY {CANARY}",
        f"PRIVMSG Ann :{CANARY}",
        f"PRIVMSG Ann :\x01ACTION {CANARY}\x01",
        f"NOTICE Ann :{CANARY}",
        f"JOIN #x {CANARY}",
        f"MODE #x +k {CANARY}",
        f"CODE {CANARY}",
        "AUTHENTICATE *",
        "QUIT",
    ),
    "json": tuple(
        json.dumps(one)
        for one in (
            {"type": "hello", "name": "Ann", "password": CANARY, "client": CANARY},
            {"type": "hello", "name": "Al", "client": CANARY},
            {"type": "hello", "name": CANARY * 9, "password": [CANARY]},
            *(
                {"type": "do", "command": command, "arguments": list(arguments)}
                for command, *arguments in (
                    ("register", CANARY),
                    ("password", CANARY),
                    ("login", "Ann", CANARY),
                    ("oper", "Ann", CANARY),
                    ("code", CANARY),
                    ("msg", "Ann", CANARY),
                    ("notice", "Ann", CANARY),
                    ("resume", "Al", CANARY),
                    (CANARY, CANARY),
                    ("keys", "add", CANARY),
                )
            ),
            {"type": "line", "text": f"/register \ud800{CANARY}"},
            {"type": "do", "command": "search", "arguments": [f"\ud800{CANARY}"]},
        )
    ),
}


@pytest.mark.parametrize("kind", list(LINES))
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_secret_stands_in_the_log(kind: str, data: st.DataObject) -> None:
    """Passwords, tokens, codes, keys, and what is said to one person alone: whoever reads the log learns none of them."""
    logged: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        logged.append(f"{eventAsText(event)} {event}")

    globalLogPublisher.addObserver(observe)
    try:
        chat = Chat()
        said: list[RoomEvent] = []
        chat.hub._transcript = said.append  # type: ignore[assignment]  # as --log-messages does it
        chat.hub.restore([Account(key="ann", name="Ann", password="other password", created=1.0)])
        ann = chat.enter("Ann", "json", password="other password")
        clients = [chat.connect(kind) for _ in range(2)]
        codes = ""
        for line in data.draw(st.lists(st.sampled_from(LINES[kind]), min_size=3, max_size=12)):
            for client in clients:
                if not client.closed:
                    client.send_bytes(line.encode("utf-8", "surrogatepass") + b"\r\n")
            chat.turn()
            codes += "".join(client.transport.received.decode("utf-8", "replace") for client in clients)
        web = chat.connect("web")
        web.send_bytes(f"GET /rooms/x?token={CANARY} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {CANARY}\r\n\r\n".encode())
        for client in (*clients, web, ann):
            client.vanish()
    finally:
        globalLogPublisher.removeObserver(observe)
    assert any("Disconnected" in one for one in logged)
    assert not [one for one in logged if CANARY in one]
    assert not [one for one in logged for word in codes.split() if word.startswith("CODE-") and word in one]
    assert all(event.room.startswith("#") for event in said)


def test_a_private_message_never_goes_to_the_log() -> None:
    """Neither one between registered names, which is kept, nor any other; what is said in a room does, if that is asked for."""
    chat = Chat()
    said: list[RoomEvent] = []
    chat.hub._transcript = said.append  # type: ignore[assignment]
    chat.hub.restore(Account(key=name.lower(), name=name, password="password", created=1.0) for name in ("Ann", "Bo"))
    ann, _, guest = (
        chat.enter("Ann", "json", password="password"),
        chat.enter("Bo", "json", password="password"),
        chat.enter("Al"),
    )
    ann.send({"type": "line", "text": f"/msg Bo {CANARY}"}, {"type": "line", "text": f"/notice Bo {CANARY}"})
    ann.send({"type": "line", "text": f"/msg Al {CANARY}"}, {"type": "line", "text": "to all"})
    guest.send(f"/msg Bo {CANARY}", f"/reply {CANARY}", "/me too")
    assert [getattr(event, "text", "") for event in said] == ["to all", "too"]
