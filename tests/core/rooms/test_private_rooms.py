"""Of a private room those outside learn nothing: neither that it is there, nor why they cannot come in.

Servers differ in nothing but a private room: one has it, one has it under another name, one has none. Whatever somebody outside
asks, the answers of all are the same, byte for byte. Only who tries to come in learns that a name cannot be had.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
from browsers import request
from chat_clients import Guest
from hypothesis import given, settings
from hypothesis import strategies as st
from irc_clients import SERVER, IrcClient

from twisted_chat.config import Config, Limits
from twisted_chat.core.commands.builtins import table
from twisted_chat.core.events import Notice
from twisted_chat.core.records import Account, Policy, RoomRecord, Sanction, Token
from twisted_chat.testing import Chat

PASSWORD = "secret99"
HIDDEN, OTHER, NONE = "#hush", "#gone", ""
CLOSINGS = ("invite-only", "registered", "encrypted", "key", "limit", "banned by name", "banned by mask", "banned by address")

closings = st.lists(st.sampled_from(CLOSINGS), unique=True)
ASKED = sorted(set(table.commands) - {"join", "exit", "quit", "name", "resume", "nick"})
WORDS = st.sampled_from(
    [HIDDEN, HIDDEN, HIDDEN[1:], HIDDEN.upper(), "Ann", "Out", "x", "5", "in:" + HIDDEN, "*", "on", "canary"]
)
typed = st.builds("/{} {}".format, st.sampled_from(ASKED), st.lists(WORDS, max_size=4).map(" ".join))
asked_by_irc = st.sampled_from(
    [
        line.format(HIDDEN)
        for line in (
            "MODE {}", "MODE {} b", "MODE {} +b", "MODE {} +b x", "MODE {} +e", "MODE {} I", "MODE {} +o Out", "MODE {} +zap",
            "NAMES {}", "NAMES {},#lobby", "NAMES", "WHO {}", "WHO {} %cuhnfa", "WHO *", "WHO Ann", "TOPIC {}", "TOPIC {} :x",
            "PART {}", "PART {} :x", "KICK {} Ann", "KICK {} Ann :x", "INVITE Ann {}", "INVITE Out {}", "INVITE nobody {}",
            "LIST", "LIST {}", "LIST *h*", "LIST >0", "LIST <9", "LUSERS", "WHOIS Ann", "WHOIS Out", "WHOWAS Ann", "ISON Ann",
            "USERHOST Ann", "PRIVMSG {} :x", "NOTICE {} :x", "PRIVMSG {} :\1ACTION x\1", "@+typing=active TAGMSG {}",
            "CHATHISTORY LATEST {} * 5", "CHATHISTORY BEFORE {} msgid=9 5",
            "CHATHISTORY TARGETS timestamp=2020-01-01T00:00:00Z timestamp=2030-01-01T00:00:00Z 9",
            "MARKREAD {}", "MONITOR + Ann", "MOTD", "MODE Out", "INVITE",
        )
    ]
)  # fmt: skip


class Server:
    """A server where Ann is in a private room of this name, or in none, and somebody is outside."""

    def __init__(self, name: str, closed: list[str], *, owned: bool = True) -> None:
        self.chat = Chat(Config(limits=Limits.OFF, server_name=SERVER))
        hub = self.chat.hub
        hub.facts["cloak"] = hub.facts["sources"] = "k"
        for account in ("Ann", "Reg"):
            hub.put_account(Account(key=account.lower(), name=account, password=PASSWORD, created=0.0))
        policy = replace(
            Policy(private=True, outsiders=True, operators=() if owned else ("ann",)),
            invite_only="invite-only" in closed,
            registered="registered" in closed,
            encrypted="encrypted" in closed,
            key="sesame" if "key" in closed else "",
            limit=1 if "limit" in closed else 0,
        )
        bans = {"banned by name": "out", "banned by mask": "*!*@*", "banned by address": "192.0.2.0/24"}
        self.kept = [
            RoomRecord(
                key=name, owner="ann" if owned else "", created=1.0, policy=replace(policy, encrypted=False), topic="canary"
            ),
            *(
                Sanction(id=n, kind="ban", room=name, target=bans[ban], by="ann", at=0.0, until=None, reason="canary")
                for n, ban in enumerate(closed, 1)
                if ban in bans and name
            ),
            Token(digest="token"[::-1], name="Bot", room="#own", by="reg", at=0.0),
            RoomRecord(key="#own", owner="reg", created=1.0),
        ]
        hub.restore(self.kept)
        self.ann = Guest(self.chat, "json", "Ann", PASSWORD, address="198.51.100.1")
        if name:
            self.ann.type(f"/join {name}", "canary", "/token Spy")
            assert name in hub.people["ann"][0].rooms
            hub.rooms[name].change(encrypted=policy.encrypted)
        self.ann.type("/leave #lobby")
        while self.chat.log.newest < 20:  # numbers are the whole server's
            hub.show(lambda seq, time: Notice(seq, time, "#nowhere", ""))
        self.chat.turn()

    def outsider(self, kind: str) -> Callable[[list[str]], bytes]:
        """Somebody outside: what they are shown when they send something."""
        if kind == "irc":
            irc = IrcClient(self.chat, "Out", "draft/chathistory", "message-tags", "draft/read-marker")
            return lambda lines: self._sent(irc.client, lambda: irc.send(*lines))
        if kind == "http":
            return self._by_http
        if kind == "prompt":
            client = self.chat.connect("line")
            return lambda lines: self._sent(client, lambda: client.send(*lines))
        registered = kind == "registered"
        guest = Guest(
            self.chat, "line" if registered else kind, "Reg" if registered else "Out", PASSWORD if registered else None
        )
        return lambda lines: guest.answer(*lines).encode()

    @staticmethod
    def _sent(client: object, send: Callable[[], None]) -> bytes:
        transport = client.transport  # type: ignore[attr-defined]
        transport.received = b""
        send()
        return bytes(transport.received)

    def _by_http(self, requests: list[str]) -> bytes:
        shown = b""
        for one in requests:
            method, path, secret = one.split()
            client = self.chat.connect("web")
            headers = [] if secret == "-" else [f"Authorization: Bearer {secret}"]
            client.send_bytes(request(method, path, *headers, body=b"x" if method == "POST" else b""))
            self.chat.clock.advance(60)  # wrong ones wait
            lines = client.transport.received.split(b"\r\n")
            shown += b"\r\n".join(line for line in lines if not line.lower().startswith(b"date:"))
        return shown


requests = st.builds(
    "{} {} {}".format,
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE"]),
    st.sampled_from(["/rooms/hush", "/rooms/%23hush", "/rooms/HUSH?since=1", "/rooms/hush/", "/hush", "/rooms/"]),
    st.sampled_from(["-", "wrong", "token"]),
)
QUESTIONS = {
    "irc": asked_by_irc,
    "http": requests,
    "prompt": st.one_of(typed, st.just("who " + HIDDEN)),
} | dict.fromkeys(("line", "json", "web", "ssh", "registered"), typed)


@pytest.mark.parametrize("kind", QUESTIONS)
def test_a_private_room_is_like_one_that_is_not_there(kind: str) -> None:
    """Whatever is asked about its name, its people, and all rooms, by which protocol; whatever keeps people out of it."""
    answered = 0

    @settings(max_examples=25 if kind == "ssh" else 80, deadline=None)
    @given(closed=closings, owned=st.booleans(), asked=st.lists(QUESTIONS[kind], min_size=1, max_size=6))
    def run(closed: list[str], owned: bool, asked: list[str]) -> None:
        nonlocal answered
        answers = [Server(name, closed, owned=owned).outsider(kind)(asked) for name in (HIDDEN, OTHER, NONE)]
        hidden, other, none = answers
        assert hidden == other == none
        assert b"canary" not in hidden.replace(b"/canary", b"") or any("canary" in one for one in asked)
        answered += bool(hidden)

    run()
    assert answered > 12


@pytest.mark.parametrize("kind", ["line", "json", "web", "ssh", "irc", "registered"])
@given(closed=closings.filter(bool), owned=st.booleans(), key=st.sampled_from(["", " wrong", " sesame"]))
@settings(max_examples=25, deadline=None)
def test_why_a_private_room_cannot_be_joined_is_not_told(kind: str, closed: list[str], owned: bool, key: str) -> None:
    """Each cause, and each set of them, has the same sentence, code and numeric; who may come in does."""
    causes = set(closed) - ({"key"} if key == " sesame" else set())
    if kind == "registered":
        causes -= {"registered", "banned by name"}
    if kind == "ssh":
        causes -= {"encrypted"}
    word = "JOIN" if kind == "irc" else "/join"
    server = Server(HIDDEN, closed, owned=owned)
    answer = server.outsider(kind)([f"{word} {HIDDEN}{key}"])
    name = "Reg" if kind == "registered" else "Out"
    assert (HIDDEN in server.chat.hub.people[name.lower()][0].rooms) is (not causes)
    if causes:
        assert answer == Server(HIDDEN, ["invite-only"]).outsider(kind)([f"{word} {HIDDEN}"])
        assert b"#hush cannot be joined. Choose another name, or ask for an invitation." in answer
        assert b" 403 Out #hush :" in answer or kind != "irc"


@given(closed=closings.filter(lambda closed: not {"encrypted"}.issuperset(closed)))
@settings(max_examples=30, deadline=None)
def test_a_program_that_asks_for_a_private_room_as_it_comes_in(closed: list[str]) -> None:
    """``hello`` with rooms: one error, the same for every cause."""
    client = Server(HIDDEN, closed).chat.connect("json")
    client.send({"type": "hello", "name": "Out", "rooms": {HIDDEN: 3}})
    errors = client.objects("error")
    assert [(one["code"], one["text"]) for one in errors] == [
        ("not-invited", "#hush cannot be joined. Choose another name, or ask for an invitation.")
    ]


def test_those_who_know_of_it_are_told_why() -> None:
    """Who is asked in, but not encrypted, is told so; and of a public room everybody is."""
    chat = Chat()
    hub = chat.hub
    hub.put_account(Account(key="ann", name="Ann", password=PASSWORD, created=0.0))
    hub.restore([RoomRecord(key=HIDDEN, owner="ann", policy=Policy(private=True, encrypted=True))])
    assert "open only to encrypted connections" in Guest(chat, "line", "Ann", PASSWORD).answer(f"/join {HIDDEN}")
    out = Guest(chat, "line", "Out")
    assert "cannot be joined" in out.answer(f"/join {HIDDEN}")
    hub.people["out"][0].invited = frozenset([HIDDEN])
    assert "open only to encrypted connections" in out.answer(f"/join {HIDDEN}")
    hub.restore([RoomRecord(key="#open", owner="ann", policy=Policy(key="x"))])
    assert "needs its key" in out.answer("/join #open")
