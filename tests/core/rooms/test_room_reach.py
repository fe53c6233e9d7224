"""What is done in a room reaches nobody outside it, and no answer depends on anybody outside it.

Two worlds differ in nothing but one person who is not in the room. Whoever acts there, and whoever is inside, is shown the
very same in both, and the person outside is shown nothing.
"""

from dataclasses import dataclass

import pytest
from chat_clients import Guest
from hypothesis import given, settings
from hypothesis import strategies as st
from irc_clients import SERVER, IrcClient

from twisted_chat.config import Config, Limits
from twisted_chat.core.events import Notice
from twisted_chat.core.records import CLAIMED, Account, Sanction
from twisted_chat.core.users.cloaks import digest
from twisted_chat.testing import Chat

PASSWORD = "secret99"
KEY = "the key of hosts"
ADDRESSES = ("203.0.113.7", "198.51.100.9", "2001:db8::7")
NAMES = ("Ben", "Cat", "Reg", "Olga")
OURS = "198.18.0.1"  # the address of those inside


@dataclass(frozen=True)
class Outsider:
    """Somebody who is not in the room: a guest, a registered person (Reg), or an operator of the server (Olga)."""

    name: str
    address: str
    kind: str
    was_inside: bool
    mute: str  # whom a mute of the whole server names meanwhile


outsiders = st.builds(
    Outsider,
    st.sampled_from(NAMES),
    st.sampled_from(ADDRESSES),
    st.sampled_from(["line", "json", "irc"]),
    st.booleans(),
    st.sampled_from(["ben", "203.0.113.0/24", "198.18.7.7", "cat!*@*"]),
)
targets = st.sampled_from(
    [
        *NAMES,
        "Ivy",
        "Sam",
        "nobody",
        *ADDRESSES,
        "203.0.113.0/24",
        "203.0.0.0/9",
        "0.0.0.0/0",
        "::/0",
        "2001:db8::/32",
        "::ffff:203.0.113.7",
        OURS,
        "ben!*@*",
        "*!*@*",
        "c*",
        "*!chat@*",
        "*!~u@*",
        *(f"@{digest(address, KEY)}" for address in (*ADDRESSES[:2], OURS, "2001:db8::/64")),
        "@203.0.113.7",
    ]
)
tails = st.sampled_from(["", " 10m", " 10m VISIT MY SITE", " VISIT MY SITE"])
typed = st.one_of(
    st.builds("/{}{} {}{}".format, st.sampled_from(["ban", "mute"]), st.sampled_from(["", " #mine"]), targets, tails),
    st.builds("/{}{} {}".format, st.sampled_from(["unban", "unmute"]), st.sampled_from(["", " #mine"]), targets),
    st.builds(
        "/{} {}".format,
        st.sampled_from(["kick", "except", "unexcept", "welcome", "unwelcome", "op", "deop", "voice", "devoice"]),
        targets,
    ),
    st.sampled_from(
        ["/bans", "/bans #mine", "/bans *", "/room", "/room moderated", "/room invite-only", "/room private", "/slow 5"]
    ),
)
lines = st.one_of(
    st.builds("MODE #mine {}{} {}".format, st.sampled_from("+-"), st.sampled_from("beIov"), targets),
    st.builds("KICK #mine {} :VISIT MY SITE".format, targets),
    st.sampled_from(["MODE #mine +b", "MODE #mine +e", "MODE #mine +I", "MODE #mine +imn", "MODE #mine -n", "MODE #mine"]),
)


class World:
    """A server with a room #mine, which Sam has made and where Ivy is, and somebody outside."""

    def __init__(self, outsider: Outsider, kind: str, owned: bool) -> None:
        self.chat = Chat(Config(limits=Limits.OFF, operator=("Olga",), server_name=SERVER))
        self.chat.hub.facts["cloak"] = KEY
        for name in ("Reg", "Olga", *["Sam"] * owned):
            self.chat.hub.put_account(Account(key=name.lower(), name=name, password=PASSWORD, created=0.0, claimed=CLAIMED))
        mute = Sanction(id=1, kind="mute", room="", target=outsider.mute, by="olga", at=0.0, until=None, reason="")
        self.chat.hub.restore([mute])
        self.sam = Person(self.chat, kind, "Sam", OURS, owned)
        self.ivy = Person(self.chat, "line", "Ivy", OURS, registered=False)
        for inside in (self.sam, self.ivy):
            inside.join("#mine")
        known = outsider.name in ("Reg", "Olga")
        self.outsider = Person(self.chat, outsider.kind, outsider.name, outsider.address, known)
        self.outsider.join(*["#mine"] * outsider.was_inside, "#else")
        if outsider.was_inside:
            self.outsider.leave("#mine")
        while self.chat.log.newest < 40:  # numbers are the whole server's
            self.chat.hub.show(lambda seq, time: Notice(seq, time, "#nowhere", ""))
        self.chat.turn()
        self.shown()

    def act(self, acts: list[str]) -> None:
        """Let Sam do these, one after the other."""
        self.sam.send(*acts)
        self.chat.clock.advance(1)

    def shown(self) -> tuple[list[bytes], bytes]:
        """What those inside, and the one outside, have been sent since this was asked last."""
        return [self.sam.received(), self.ivy.received()], self.outsider.received()


class Person:
    """Somebody, by any protocol."""

    def __init__(self, chat: Chat, kind: str, name: str, address: str, registered: bool) -> None:
        self.kind, self.chat = kind, chat
        if kind == "irc":
            self.client = chat.connect("irc", address)
            self.send(*[f"PASS {name}:{PASSWORD}"] * registered, f"NICK {name}", "USER u * * :u")
        else:
            self.guest = Guest(chat, kind, name, PASSWORD if registered else None, address=address)
            self.client = self.guest.client  # type: ignore[assignment]
        session = chat.hub.people[name.lower()][0]
        assert session.registered is registered

    def send(self, *lines: str) -> None:
        """Send commands in one's own words."""
        if self.kind == "irc":
            self.client.send(*[line + "\r" for line in lines])
        else:
            self.guest.type(*lines)

    def join(self, *rooms: str) -> None:
        """Come into rooms, and be in no other."""
        for room in rooms:
            self.send(f"JOIN {room}" if self.kind == "irc" else f"/join {room}")
        if self.kind != "irc":
            self.guest.type("/leave #lobby")

    def leave(self, room: str) -> None:
        """Leave a room."""
        self.send(f"PART {room}" if self.kind == "irc" else f"/leave {room}")

    def received(self) -> bytes:
        """What has come since this was asked last."""
        if self.kind in ("web", "ssh"):
            return self.guest.shown().encode()
        data, self.client.transport.received = self.client.transport.received, b""
        return data


@pytest.mark.parametrize("kind", ["line", "json", "web", "ssh", "irc"])
def test_nobody_outside_a_room_hears_of_it_or_changes_an_answer(kind: str) -> None:
    """Whatever an operator of a room who is no operator of the server does there, to whom and by which protocol."""
    tried = 0

    @settings(max_examples=25 if kind == "ssh" else 100, deadline=None)
    @given(
        one=outsiders,
        other=outsiders,
        owned=st.booleans(),
        acts=st.lists(lines if kind == "irc" else typed, min_size=1, max_size=8),
    )
    def run(one: Outsider, other: Outsider, owned: bool, acts: list[str]) -> None:
        nonlocal tried
        worlds = [World(outsider, kind, owned) for outsider in (one, other)]
        for world in worlds:
            world.act(acts)
        (first, outside), (second, elsewhere) = (world.shown() for world in worlds)
        assert first == second
        assert outside == elsewhere == b""
        tried += bool(first[0])

    run()
    assert tried > 12


def test_an_address_cannot_be_found_by_trying() -> None:
    """The answer to each network is the same, and so it tells nothing."""
    chat = Chat()
    ben = Guest(chat, "line", "Ben", address="203.0.113.7")
    sam = Guest(chat, "line", "Sam", address=OURS).type("/join #mine")
    ben.type("/join #mine")
    ben.shown()
    answers = {
        sam.answer(f"/{word} #mine {net}")
        for word in ("mute", "ban", "unmute", "unban")
        for net in ("203.0.113.0/24", "9.9.9.9", "::/0")
    }
    assert answers == {"-> Only server operators may name addresses. Name a person, or a host as /whois shows it: @0123456789"}
    assert ben.shown() == ""


def test_a_server_operator_acts_in_a_room_like_anybody() -> None:
    """/ban without a room is for the current one; the whole server is named; an address hits people inside only."""
    chat = Chat(Config(limits=Limits.OFF, operator=("Olga",)))
    olga = Guest(chat, "line", "Olga").type("/register secret99", "/join #tea")
    ben = Guest(chat, "line", "Ben", address="203.0.113.7").type("/join #tea")
    cat = Guest(chat, "line", "Cat", address="203.0.113.8")
    for one in (ben, cat):
        one.shown()
    assert "banned ben for 10 min (#tea)" in olga.answer("/ban Ben 10m")
    assert not ben.client.closed  # type: ignore[union-attr]
    assert "You are banned from #tea" in ben.answer("/join #tea")
    assert "In #lobby" in ben.answer("/leave #lobby", "/join #lobby")
    cat.shown()
    olga.type("/mute 203.0.113.0/24")
    assert cat.shown() == ""
    assert "can't speak in #tea" in cat.answer("/join #tea", "hello")
    assert "203.0.113.0/24" in olga.answer("/bans")
    assert "everywhere" not in olga.answer("/bans")
    assert "(the whole server)" in olga.answer("/ban * Ben rude")
    assert "You are banned: rude" in ben.shown()
    assert "everywhere" in olga.answer("/bans *")
    assert "Done" in olga.answer("/unban * Ben", "/unban Ben", "/unmute 203.0.113.0/24")


def test_what_stands_for_an_address_is_shown_and_lifted_in_its_place() -> None:
    """A room's operator sees no address that a server operator, or an earlier version, has named there; and can lift it."""
    for target in ("203.0.113.7", "203.0.113.0/24", "2001:db8::7", "2001:db8::/32"):
        chat = Chat()
        sam = Guest(chat, "line", "Sam", address=OURS).type("/join #mine")
        earlier = Sanction(id=1, kind="ban", room="#mine", target=target, by="sam", at=chat.now(), until=None, reason="")
        chat.hub.admission.sanctions.add(earlier)
        shown = sam.answer("/bans")
        assert target not in shown
        host = next(word for word in shown.split() if word.startswith("*!*@"))
        irc = IrcClient(chat, "irc")
        assert [one[0] for one in irc.told("MODE #mine +b")] == ["442"]
        sam.type("/except irc")
        irc.ask("JOIN #mine")
        assert [one[2] for one in irc.told("MODE #mine +b") if one[0] == "367"] == [host]
        assert f"the ban of {host} is ended" in sam.answer(f"/unban {host}")
        assert not chat.hub.admission.sanctions.all


def test_an_invitation_is_a_private_word() -> None:
    """Who takes none, ignores the inviter, or is invited by somebody who is muted, is not told; the first is said."""
    chat = Chat(Config(limits=Limits.OFF, operator=("Olga",)))
    olga = Guest(chat, "line", "Olga").type("/register secret99")
    sam, ben = Guest(chat, "line", "Sam").type("/join #mine"), Guest(chat, "line", "Ben")
    irc = IrcClient(chat, "irc")
    irc.ask("JOIN #visit-my-site")
    ben.type("/msgs none")
    ben.shown()
    assert "takes no private messages" in sam.answer("/invite Ben")
    assert [one[0] for one in irc.told("INVITE Ben #visit-my-site")] == ["404"]
    assert ben.shown() == ""
    ben.type("/msgs all", "/ignore Sam")
    ben.shown()
    assert "Ben is invited" in sam.answer("/invite Ben")
    assert ben.shown() == ""
    olga.type("/mute * irc")
    assert [one[0] for one in irc.told("INVITE Ben #visit-my-site")] == ["404"]
    assert ben.shown() == ""
