"""Nobody fills what others need: what a person, an address or a connection can take is bounded, and others get theirs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from twisted_chat.config import Config, Limits
from twisted_chat.core.commands.invitations import MOST_BY_ONE, MOST_INVITATIONS
from twisted_chat.core.interfaces import MOST_DEEDS_BY_ONE, MOST_DEEDS_IN_ROOM
from twisted_chat.core.rate_limits import Often, Window, with_one_more
from twisted_chat.core.records import CLAIMED, Account, Deed, RoomRecord
from twisted_chat.core.users.registry import MOST_HELD, Registry
from twisted_chat.core.users.session import MOST_KEPT_INVITATIONS, MOST_KNOWN
from twisted_chat.protocols.irc.connection import MOST_MARKS
from twisted_chat.protocols.irc.labeled_response import MOST_BEHIND_LABEL
from twisted_chat.protocols.irc.users import MOST_READERS
from twisted_chat.storage.sqlite.database import Database
from twisted_chat.storage.sqlite.records import SqliteRecords
from twisted_chat.testing import BUFFER_SIZE, Chat, Client


def registered(chat: Chat, *names: str) -> None:
    """Give these people accounts, all with one password."""
    chat.hub.restore(
        Account(key=name.casefold(), name=name, password="password", created=1.0, claimed=CLAIMED) for name in names
    )


def irc(chat: Chat, nick: str, *lines: str, caps: str = "message-tags") -> Client:
    """An IRC client that has come in."""
    client = chat.connect("irc")
    client.send(f"CAP REQ :{caps}", f"NICK {nick}", f"USER {nick} 0 * :x", "CAP END", *lines)
    return client


def test_rooms_are_not_gathered_before_a_name() -> None:
    """A hello names so many rooms as one may be in; a second one names others, not more; and each costs as it is long."""
    chat = Chat(replace(Config(), naming_seconds=None))
    chat.enter("Ann")
    client = chat.connect("json")
    session = client.transport.protocol.session
    for turn in range(5):
        client.send({"type": "hello", "name": "Ann", "rooms": {f"#r{turn}-{number}": None for number in range(100)}})
        assert len(session.landing) == 100
        assert all(room.startswith(f"#r{turn}-") for room in session.landing)
    client.send({"type": "hello", "name": "Bo", "rooms": {f"#r{number}": None for number in range(101)}})
    assert client.objects("error")[-1]["code"] == "bad-request"
    assert not chat.hub.people.get("bo")
    before = client.transport.protocol._due
    client.send({"type": "hello", "name": "Ann", "rooms": {f"#x{number}": None for number in range(100)}})
    assert client.transport.protocol._due - before > 20 / 50
    client.send({"type": "hello", "name": "Bo", "rooms": {"#one": None}})
    assert list(chat.hub.people["bo"][0].rooms) == ["#one"]


@pytest.mark.parametrize("full_by", ["socket", "label"])
def test_tags_obey_backpressure(full_by: str) -> None:
    """A reader that takes nothing, or whose labeled command takes long, is not sent tags without end."""
    chat = Chat()
    irc(chat, "Eve")
    reader = irc(chat, "Bo", caps="message-tags labeled-response")
    eve = chat.connect("irc")
    eve.send("CAP REQ :message-tags", "NICK Evil", "USER e 0 * :x", "CAP END", "JOIN #lobby")
    reader.send("JOIN #lobby")
    if full_by == "socket":
        reader.transport.stop_reading()
    else:
        reader.transport.protocol._out.begin("label")
    for _ in range(200):
        eve.send(f"@+x={'y' * 4000} TAGMSG #lobby", f"@+x={'y' * 4000} TAGMSG Bo")
    out = reader.transport.protocol._out
    assert len(reader.transport.value()) + sum(map(len, out._waiting)) < 2 * BUFFER_SIZE + MOST_BEHIND_LABEL
    reader.transport.read_on()
    if full_by == "label":
        out.end()
    reader.lines()
    eve.send("PRIVMSG #lobby :still here", "@+x=y TAGMSG #lobby")
    shown = "\n".join(reader.lines())
    assert "still here" in shown
    assert "TAGMSG #lobby" in shown


def test_what_waits_behind_a_label_is_read_on_afterwards() -> None:
    """While a labeled command takes long, a busy room fills no memory, and nothing of it is lost."""
    chat = Chat()
    reader = irc(chat, "Bo", "JOIN #lobby", caps="labeled-response")
    ann = chat.enter("Ann")
    reader.lines()
    out = reader.transport.protocol._out
    out.begin("label")
    for number in range(500):
        ann.send(f"{number} {'x' * 300}")
    assert sum(map(len, out._waiting)) < 2 * MOST_BEHIND_LABEL
    out.end()
    chat.turn()
    said = [line.split(":", 2)[2].split()[0] for line in reader.lines() if " PRIVMSG " in line]
    assert said == [str(number) for number in range(500)]


def test_tags_obey_consent_and_ignores() -> None:
    """Who takes no private messages takes no tags either; who is ignored is not heard by them."""
    chat = Chat()
    bo, eve = irc(chat, "Bo", "JOIN #lobby"), irc(chat, "Eve", "JOIN #lobby")
    session = chat.hub.people["bo"][0]
    for setting, heard in (("all", True), ("known", False), ("none", False)):
        session.set(session.settings.changed("msgs", setting))
        bo.lines()
        eve.lines()
        eve.send("@+typing=active TAGMSG Bo")
        assert ("TAGMSG" in "\n".join(bo.lines())) is heard
        assert (" 404 " in "\n".join(eve.lines())) is not heard
    session.set(session.settings.changed("msgs", "all"))
    session.ignore(frozenset({"eve"}))
    eve.send("@+typing=active TAGMSG Bo", "@+typing=active TAGMSG #lobby")
    assert "TAGMSG" not in "\n".join(bo.lines())


def test_read_markers_are_for_what_there_is() -> None:
    """A marker is set where one is, or for a registered name; those of accounts that are gone are so many at the most."""
    chat = Chat()
    registered(chat, "Ann", "Bo", *(f"Guest{number}" for number in range(MOST_MARKS + 50)))
    ann = irc(chat, "Ann", caps="draft/read-marker")
    ann.send("PRIVMSG NickServ :IDENTIFY password", "JOIN #lobby")
    assert chat.hub.people.get("ann") is None or chat.hub.people["ann"][0].registered
    bo = chat.connect("irc")
    bo.send("PASS Bo:password", "NICK Bo", "USER b 0 * :x", "CAP REQ :draft/read-marker", "JOIN #lobby")
    stamp = "timestamp=2026-01-01T00:00:00.000Z"
    for number in range(2000):
        bo.send(f"MARKREAD #none{number} {stamp}", f"MARKREAD nobody{number} {stamp}")
    reads = bo.transport.protocol.reads
    assert not reads
    bo.send(f"MARKREAD #lobby {stamp}", *(f"MARKREAD Guest{number} {stamp}" for number in range(MOST_MARKS + 50)))
    assert len(reads) == MOST_MARKS
    people = bo.transport.protocol.people
    bo.vanish()
    assert list(people.reads) == ["bo"]
    for number in range(MOST_READERS + 10):
        people.reads_of(f"guest{number}")["#lobby"] = 1
    assert len(people.reads) == MOST_READERS
    assert "bo" not in people.reads


def test_others_still_get_invitations(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest's invitations give way to their own later ones, whatever the guest and the room are called."""
    chat = Chat()
    guest = chat.connect("line", "198.51.100.7")
    guest.send("Eve")
    for number in range(MOST_BY_ONE + 20):
        guest.send(f"/nick Eve{number}", f"/join #r{number % 7}", "/invite")
    assert len(chat.hub.invitations) == MOST_BY_ONE
    ann = chat.enter("Ann")
    ann.lines()
    ann.send("/invite")
    assert "For one guest, once" in "\n".join(ann.lines())
    monkeypatch.setattr("twisted_chat.core.commands.invitations.MOST_INVITATIONS", MOST_BY_ONE + 1)
    ben = chat.enter("Ben")
    ben.send("/invite")
    sources = [one.source for one in chat.hub.invitations.values()]
    assert len(sources) == MOST_BY_ONE + 1
    assert sources.count(chat.hub.people["ann"][0].host) == 2  # Ann and Ben come from one address: the other one gave way
    assert MOST_INVITATIONS == 10_000
    (codes,) = [line for line in "\n".join(ben.lines()).splitlines() if "CODE" in line and "nc " in line][:1]
    dave = chat.connect()
    dave.send(f"/code {codes.split('/code ')[1].split()[0]}")
    assert "You are invited to #lobby." in "\n".join(dave.lines())


def test_refused_registrations_block_nobody_else() -> None:
    """Attempts are counted by address; against the server's bound, only what succeeded."""
    chat = Chat(replace(Config(), registrations=Often(3, 600.0), registered=Often(4, 600.0), people_rate=None))
    eve = chat.connect("line", "198.51.100.7")
    eve.send("Eve")
    for _ in range(10):
        eve.send("/register x")
    assert "Try again in" in "\n".join(eve.lines())
    for number in range(6):
        client = chat.connect("line", f"203.0.113.{number}")
        client.send(f"Guest{number}", "/register long password".replace(" password", "-password"))
        shown = "\n".join(client.lines())
        assert ("is yours now" in shown or "is now registered" in shown) is (number < 4)


def test_the_server_has_so_many_rooms_and_accounts() -> None:
    """Beyond that one is told so, and what there is works on."""
    chat = Chat(replace(Config(limits=Limits.OFF), most_rooms=3, most_accounts=1))
    ann, bo = chat.enter("Ann"), chat.enter("Bo")
    ann.send("/join #a", "/join #b", "/join #c")
    assert "-> The server has 3 rooms. Join one of these: /rooms" in ann.lines()
    bo.send("/join #a", "/register long-password")
    ann.lines()
    ann.send("/register long-password")
    assert "as many registered names" in "\n".join(ann.lines())
    ann.send("/leave #b")
    ann.send("/join #c")
    assert "#c" in chat.hub.rooms


def test_room_deeds_do_not_push_out_the_servers(tmp_path: Path) -> None:
    """/audit shows what operators of the server did; what those of rooms did is bounded by room and by person, on disk."""
    database = Database(tmp_path)
    database.claim()
    database.open(1000)

    def submit(function: Callable[..., object], *arguments: object) -> "Deferred[object]":
        done: Deferred[object] = Deferred()
        done.callback(function(*arguments))
        return done

    records = SqliteRecords(database, submit)
    chat = Chat(Config(limits=Limits.OFF, operator=("Olga",)), records=records)
    registered(chat, "Olga", "Eve")
    chat.hub.restore([RoomRecord(key=f"#r{number}", owner="eve") for number in range(20)])
    olga, eve = chat.enter("Olga", "json", password="password"), chat.enter("Eve", "json", password="password")
    olga.send({"type": "line", "text": "/ban Zoe for a good reason"}, {"type": "line", "text": "/ban * Zoe"})
    for number in range(20):
        eve.send({"type": "line", "text": f"/join #r{number}"})
        for turn in range(30 if number else MOST_DEEDS_IN_ROOM + 20):
            eve.send({"type": "line", "text": f"/room private {'on' if turn % 2 else 'off'}"})
            eve.send({"type": "line", "text": f"/room moderated {'on' if turn % 2 else 'off'}"})
    ((most_in_room,),) = database.query(
        "SELECT max(n) FROM (SELECT count(*) AS n FROM deeds WHERE of_server = 0 GROUP BY room)"
    )
    ((by_eve,),) = database.query("SELECT count(*) FROM deeds WHERE who = 'eve'")
    assert most_in_room <= MOST_DEEDS_IN_ROOM
    assert by_eve == MOST_DEEDS_BY_ONE
    olga.objects()
    olga.send({"type": "line", "text": "/audit 20"})
    (listing,) = olga.objects("listing")
    assert listing["rows"]
    assert {row[1] for row in listing["rows"]} == {"olga"}
    olga.send({"type": "line", "text": "/audit #r19 5"})
    assert {row[1] for row in olga.objects("listing")[0]["rows"]} == {"eve"}
    database.close(0)


def test_deeds_of_before_are_still_shown(tmp_path: Path) -> None:
    """Those of an earlier version count as the server's."""
    assert Deed(id=1, at=1.0, who="ann", room="#x", what="did").of_server


def test_a_sent_invitation_does_not_fill_a_connection_that_takes_nothing() -> None:
    """What somebody has not asked for is not sent to a connection that is full; they are invited all the same."""
    chat = Chat()
    victim = chat.enter("Vic")
    chat.enter("Al").send("/join #x")
    victim.transport.stop_reading()
    talker = chat.enter("Bo")
    for _ in range(100):
        talker.send("x" * 1000)
    eve = chat.enter("Eve")
    for number in range(MOST_KEPT_INVITATIONS + 20):
        eve.send(f"/join #{number}", *["/invite Vic"] * 10)
        if number % 50 == 49:
            eve.send(*(f"/leave #{one}" for one in range(number)))
    assert len(victim.transport.value()) < 2 * BUFFER_SIZE
    assert len(chat.hub.people["vic"][0].invited) <= MOST_KEPT_INVITATIONS


def test_small_sets_and_names_that_are_held() -> None:
    """A full set has room for one more, in the place of another; so has the list of names that wait for a dropped line."""
    some: frozenset[str] = frozenset()
    for number in range(MOST_KNOWN + 10):
        some = with_one_more(some, str(number), MOST_KNOWN)
        assert str(number) in some
    assert len(some) == MOST_KNOWN
    registry = Registry(lambda: 0.0, frozenset())
    for number in range(MOST_HELD + 10):
        registry.hold(f"Guest{number}", ())
    assert len(registry._held) == MOST_HELD
    assert registry.guest("Guest0") == "Guest0"


def test_looking_whether_it_is_too_often_counts_nothing() -> None:
    """`Window.check` tells what `take` would, and leaves the count as it is."""
    window = Window(Often(2, 10.0))
    for _ in range(5):
        window.check("a", 0.0, "x")
    window.take("a", 0.0, "x")
    window.take("a", 1.0, "x")
    with pytest.raises(Exception, match="Try again in 8 seconds"):
        window.check("a", 2.0, "x")
    window.check("a", 10.5, "x")
