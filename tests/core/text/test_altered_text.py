"""A text that is not kept as it was sent is refused, or its sender is told how it reads now. By every way to say something."""

import json
from collections.abc import Callable
from unicodedata import normalize

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from twisted_chat.core.records import Account, RoomRecord, Token
from twisted_chat.protocols.irc.wire.message import unformatted
from twisted_chat.testing import Chat, Client

BREAKS = "\n\v\f\r\x1c\x85\u2028\u2029"
# What is left out, replaced, composed, or kept: controls, colours, marks, joiners, private use, what is not assigned.
ODD = "\0\a\b\t\x1b\x02\x03\x1f \xa0\xad\u0301\u0327\u200d\u202e\u2800\ue000\ufdd0\ufeff\U0001fffe\U000e0100e\u212bé1🙂"
texts = st.text(st.sampled_from(ODD + BREAKS + "ab"), max_size=12) | st.text(max_size=12)
TOKEN = "t1"


class Scene:
    """A reader, and somebody who says something."""

    def __init__(self) -> None:
        self.chat = Chat()
        self.chat.hub.restore(
            [Account(key="bo", name="Bo", password="password", created=1.0), RoomRecord(key="#own", owner="bo")]
        )
        self.chat.hub.restore([Token(digest=TOKEN[::-1], name="Bot", room="#own", by="bo", at=1.0)])
        self.reader = self.chat.enter("Bo", "json", password="password", rooms={"#lobby": None, "#own": None})
        self.reader.objects()

    def shown(self) -> list[str]:
        """The texts that the reader was shown."""
        self.chat.turn()
        members = ("text", "topic", "reason", "value")
        kinds = ("said", "emoted", "told", "whispered", "noticed", "topic", "described", "left")
        return [one[member] for one in self.reader.objects() if one["type"] in kinds for member in members if member in one]


def by_json(request: dict[str, object]) -> Callable[[Scene, str], tuple[str, str]]:
    """A way to say something by a request of the protocol for programs, whose text is put in the place of None."""

    def say(scene: Scene, text: str) -> tuple[str, str]:
        sender = scene.chat.enter("Al", "json")
        scene.shown()
        sender.objects()
        filled = {key: text if value is None else value for key, value in request.items()}
        if "arguments" in filled:
            filled["arguments"] = [text if one is None else one for one in filled["arguments"]]  # type: ignore[attr-defined]
        if filled["type"] == "line":
            text = f"z{text}"
            filled["text"] = f"/me {text}"
        sender.send(filled)
        told = [one for one in sender.objects() if one["type"] in ("receipt", "error", "remark")]
        return text, "\n".join(str(one.get("stored", one.get("text", ""))) for one in told)

    return say


def by_http(scene: Scene, text: str) -> tuple[str, str]:
    """Say something by POST."""
    client = scene.chat.connect("web")
    body = text.encode("utf-8", "replace")
    head = (
        f"POST /rooms/own HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    client.send_bytes(head.encode() + body)
    scene.chat.turn()
    answer = client.transport.received.decode()
    told = json.loads(answer.splitlines()[-1])
    assert (" 400 " in answer.splitlines()[0]) == (told["type"] == "error")
    return text, told.get("stored", told.get("text", ""))


def by_line(start: str) -> Callable[[Scene, str], tuple[str, str]]:
    """A way to type something on a terminal. What ends a line there is not typed."""

    def say(scene: Scene, text: str) -> tuple[str, str]:
        text = "z" + text.replace("\n", "").replace("\r", "").replace("\0", "")
        sender = scene.chat.enter("Al")
        scene.shown()
        sender.lines()
        sender.send_bytes(f"{start}{text}\n".encode("utf-8", "replace"))
        scene.chat.turn()
        return text.encode("utf-8", "replace").decode(), "\n".join(sender.lines())

    return say


def by_irc(command: str) -> Callable[[Scene, str], tuple[str, str]]:
    """A way to say something by IRC. Colours and the like are decoration: they are no part of the text."""

    def say(scene: Scene, text: str) -> tuple[str, str]:
        text = "z" + text.replace("\n", "").replace("\r", "").replace("\0", "")
        sender = scene.chat.connect("irc")
        sender.send("NICK Al", "USER al 0 * :Al", "JOIN #lobby")
        scene.shown()
        sender.lines()
        sender.send_bytes(f"{command} :{text}\r\n".encode("utf-8", "replace"))
        scene.chat.turn()
        told = [line for line in sender.transport.received.decode().split("\r\n") if "PRIVMSG" not in line.split(" ")[:2]]
        sent = text.encode("utf-8", "replace").decode()
        return unformatted(sent) if "PRIVMSG" in command or "NOTICE" in command else sent, "\n".join(told)

    return say


WAYS: dict[str, Callable[[Scene, str], tuple[str, str]]] = {
    "say": by_json({"type": "say", "id": "1", "text": None}),
    "say without an id": by_json({"type": "say", "text": None}),
    "me": by_json({"type": "do", "id": "1", "command": "me", "arguments": [None]}),
    "msg": by_json({"type": "do", "id": "1", "command": "msg", "arguments": ["Bo", None]}),
    "msg without an id": by_json({"type": "do", "command": "msg", "arguments": ["Bo", None]}),
    "notice": by_json({"type": "do", "command": "notice", "arguments": ["#lobby", None]}),
    "notice to one": by_json({"type": "do", "command": "notice", "arguments": ["Bo", None]}),
    "topic": by_json({"type": "do", "command": "topic", "arguments": [None]}),
    "about": by_json({"type": "do", "command": "about", "arguments": [None]}),
    "away": by_json({"type": "do", "command": "away", "arguments": [None]}),
    "leave": by_json({"type": "do", "command": "leave", "arguments": ["#lobby", None]}),
    "line": by_json({"type": "line", "id": "1"}),
    "HTTP": by_http,
    "typed": by_line(""),
    "typed /me": by_line("/me "),
    "typed /msg": by_line("/msg Bo "),
    "IRC": by_irc("PRIVMSG #lobby"),
    "IRC to one": by_irc("PRIVMSG Bo"),
    "IRC notice": by_irc("NOTICE #lobby"),
}


@pytest.mark.parametrize("way", list(WAYS))
@given(text=texts)
@settings(max_examples=60, deadline=None)
@example(text="two\nlines")
@example(text="two\r\nlines\n")
@example(text="a\u2028b")
@example(text="line and its end\n")
@example(text="\U0001fffe new")
@example(text="a" + "\u0301" * 40)
@example(text="bell\a")
@example(text="a\tb")
def test_whoever_says_something_knows_how_it_reads(way: str, text: str) -> None:
    """What others are shown is what was sent, composed and without blanks at its end; or its sender is told it, or refused."""
    scene = Scene()
    sent, told = WAYS[way](scene, text)
    shown = [one for one in scene.shown() if one is not None]
    plain = normalize("NFC", sent).rstrip()
    if any(one in plain for one in BREAKS):
        assert not shown, (shown, told)
        assert told or way == "IRC notice"
    elif shown and shown[0] != plain:
        assert shown[0] in told, (sent, shown, told)
    elif not shown:
        assert told or not plain or way == "IRC notice" or "topic" in way
    else:
        assert not (way in ("say", "HTTP") and told), (sent, shown, told)


def test_a_body_of_several_lines_is_answered_400() -> None:
    """As curl sends it with --data-binary; a line end after it is no second line."""
    scene = Scene()
    _, told = by_http(scene, "two\nlines")
    assert "one line" in told
    assert scene.shown() == []
    for end in ("", "\n", "\r\n"):
        assert by_http(scene, f"one{end}")[1] == ""
        assert scene.shown() == ["one"]
    assert "one line" in by_http(scene, "one\n\n")[1]


def test_a_program_that_sends_again_is_told_again() -> None:
    """The receipt of a message that is known already tells how it reads, too."""
    scene = Scene()
    sender = scene.chat.enter("Al", "json", client="secret")
    for _ in range(2):
        sender.objects()
        sender.send({"type": "say", "id": "1", "text": "a\ab"})
        assert [(one["stored"], one["kept"]) for one in sender.objects("receipt")] == [("ab", True)]


def test_a_separator_of_arguments_is_no_line_end() -> None:
    """A line end between the words of a command is not taken for a blank."""
    scene = Scene()
    sender: Client = scene.chat.enter("Al", "json")
    sender.objects()
    for text in ("/msg\nBo hi", "/msg Bo\nhi", "/msg Bo hi\nthere", "say\nwhat"):
        sender.send({"type": "line", "id": "1", "text": text})
        assert [one["code"] for one in sender.objects("error")] == ["bad-text"]
    assert [one for one in scene.shown() if "hi" in one] == []
