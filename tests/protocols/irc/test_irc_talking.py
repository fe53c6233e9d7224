"""Messages by IRC: order, receipts, labels, history. Each test quotes its rule: modern.ircdocs.horse ("modern"), or IRCv3."""

import pytest
from irc_clients import SERVER, IrcClient, commands, plainly
from irc_login import blob, registered

from twisted_chat.config import Config, Limits
from twisted_chat.testing import Chat

MODERN = ("echo-message", "server-time", "message-tags", "labeled-response", "batch")


@pytest.fixture
def chat() -> Chat:
    """A server."""
    return Chat(Config(server_name=SERVER, limits=Limits.OFF))


def together(chat: Chat, *clients: IrcClient) -> None:
    """Bring them into #chan."""
    for client in clients:
        client.send("JOIN #chan")
    for client in clients:
        client.messages()


def test_messages(chat: Chat) -> None:
    """“PRIVMSG <target>{,<target>} <text to be sent>”; 401, 403, 411, 412 (modern, PRIVMSG); NOTICE is never answered."""
    foo, bar = IrcClient(chat, "foo"), IrcClient(chat, "bar")
    together(chat, foo, bar)
    assert foo.told("PRIVMSG #chan,bar :hello there", "NOTICE #chan :psst", "NOTICE bar :you") == []
    assert bar.heard() == [
        ("PRIVMSG", "#chan", "hello there"),
        ("NOTICE", "#chan", "psst"),
        ("PRIVMSG", "bar", "hello there"),
        ("NOTICE", "bar", "you"),
    ]
    refused = ("PRIVMSG #none :x", "PRIVMSG zoe :x", "PRIVMSG #chan :", "PRIVMSG #chan", "PRIVMSG")
    assert [one[0] for one in foo.told(*refused)] == ["403", "401", "412", "412", "411"]
    assert foo.told("NOTICE #none :x", "NOTICE zoe :x", "NOTICE #chan :", "NOTICE a,b,c,d,e :x") == []
    assert foo.told("PRIVMSG a,b,c,d,e :x")[0][:2] == ("407", "e")
    assert bar.heard() == []


def test_nothing_is_cut_unseen(chat: Chat) -> None:
    """“ERR_INPUTTOOLONG” for more than 512 bytes, and for what others could not be sent whole (modern, Messages)."""
    foo, bar = IrcClient(chat, "foo"), IrcClient(chat, "bar")
    together(chat, foo, bar)
    for length in range(380, 500):
        found = commands(foo.ask(f"PRIVMSG #chan :{'x' * length}"))
        heard = bar.messages()
        assert (found, [len(one.params[1]) for one in heard]) in (([], [length]), (["417"], []))
    assert commands(foo.ask("PRIVMSG #chan :" + "ä" * 250)) == ["417"]
    assert commands(foo.ask("x" * 20000)) == ["ERROR"]


def test_what_is_too_long_for_a_line_is_several(chat: Chat) -> None:
    """A person may say 4 KiB: IRC clients are sent lines of 512 bytes, cut between words, the id on the first."""
    tel, bar = chat.enter("Tel"), IrcClient(chat, "bar", *MODERN)
    tel.send("/join #chan")
    together(chat, bar)
    tel.send("wörd " * 600)
    found = bar.messages()
    assert "".join(one.params[1] for one in found).split() == ["wörd"] * 600
    assert [("msgid" in one.tags) for one in found] == [True] + [False] * (len(found) - 1)


def test_ctcp_and_colours_stay_out(chat: Chat) -> None:
    """“CTCP … ACTION” is /me, others reach nobody; “formatting characters” are taken out (modern, CTCP, Formatting)."""
    tel, foo = chat.enter("Tel"), IrcClient(chat, "foo")
    tel.send("/join #chan")
    together(chat, foo)
    tel.lines()
    assert [one[0] for one in foo.told("PRIVMSG #chan :\x01VERSION\x01", "PRIVMSG Tel :\x01PING 1\x01")] == ["404", "404"]
    foo.send("PRIVMSG #chan :\x02bold\x02 \x0304,05red\x03 and \x1b[31mescape", "PRIVMSG Tel :\x01ACTION nods\x01")
    assert tel.lines() == ["[12:01] <foo> bold red and [31mescape", "[12:01] <foo -> Tel> * foo nods"]


def test_what_is_no_utf8_is_refused(chat: Chat) -> None:
    """“FAIL <command> INVALID_UTF8 …”, with the label (IRCv3 utf8-only)."""
    foo = IrcClient(chat, "foo", *MODERN)
    together(chat, foo)
    foo.client.send_bytes(b"@label=xyz PRIVMSG #chan :hi\xaa\r\n")
    chat.turn()
    (found,) = foo.messages()
    assert plainly(found)[:3] == ("FAIL", "PRIVMSG", "INVALID_UTF8")
    assert found.tags["label"] == "xyz"


def test_tags_follow_the_capabilities(chat: Chat) -> None:
    """“Servers MUST NOT send tags to clients that have not negotiated them” (IRCv3 message-tags); “time” is server-time's."""
    foo, none = IrcClient(chat, "foo", *MODERN), IrcClient(chat, "none2")
    timed, echoing = (
        IrcClient(chat, "timed", "server-time"),
        IrcClient(chat, "echoing", "echo-message", "batch", "labeled-response"),
    )
    accounts = IrcClient(chat, "accounts", "account-tag")
    together(chat, foo, none, timed, echoing, accounts)
    (echo,) = foo.ask("@+draft/reply=1;foo=bar PRIVMSG #chan :hi")
    assert echo.tags.keys() == {"time", "msgid", "+draft/reply"}
    assert [client.messages()[0].tags.keys() for client in (none, timed, echoing, accounts)] == [
        set(),
        {"time"},
        set(),
        set(),
    ]
    foo.send("NS REGISTER opensesame", "PRIVMSG #chan :hi")
    assert dict(accounts.messages()[-1].tags) == {"account": "foo"}
    foo.send("MODE foo +B", "PRIVMSG #chan :beep")
    modern = IrcClient(chat, "modern", "message-tags")
    together(chat, modern)
    foo.send("PRIVMSG #chan :beep")
    assert modern.messages()[-1].tags["bot"] == ""


def test_what_a_terminal_types_is_answered_in_lines(chat: Chat) -> None:
    """CHAT runs a command of ours: what is said before is shown as messages, the rest as notices."""
    tel, foo = chat.enter("Tel"), IrcClient(chat, "foo", "server-time", "batch")
    tel.send("/join #chan", "one", "two")
    together(chat, foo)
    shown = foo.told("CHAT :/history 1")
    assert [one[0] for one in shown] == ["BATCH", "PRIVMSG", "BATCH"]
    assert shown[1] == ("PRIVMSG", "#chan", "two")
    assert foo.told("CHAT :/fingerprint")[0][0] == "NOTICE"


def test_tags_of_clients(chat: Chat) -> None:
    """“Client-only tags … MUST be relayed”, others must not; TAGMSG is for who has message-tags (IRCv3 message-tags)."""
    foo, bar = (
        IrcClient(chat, "foo", "message-tags", "echo-message"),
        IrcClient(chat, "bar", "message-tags", "draft/chathistory"),
    )
    old = IrcClient(chat, "old")
    together(chat, foo, bar, old)
    (echo,) = foo.ask("@+draft/reply=a\\sb;fizz=buzz PRIVMSG #chan :hi")
    (heard,) = bar.messages()
    assert dict(heard.tags) == dict(echo.tags) == {"+draft/reply": "a b", "msgid": echo.tags["msgid"]}
    assert dict(old.messages()[0].tags) == {}
    assert bar.ask("CHATHISTORY LATEST #chan * 1")[0].tags["+draft/reply"] == "a b"
    (echo,) = foo.ask("@+typing=active TAGMSG #chan")
    (heard,) = bar.messages()
    assert plainly(heard) == plainly(echo) == ("TAGMSG", "#chan")
    assert dict(heard.tags) == dict(echo.tags) == {"+typing": "active", "msgid": echo.tags["msgid"]}
    assert bar.ask("@+typing=done TAGMSG foo", "TAGMSG foo") == []
    assert [dict(one.tags)["+typing"] for one in foo.messages()] == ["done"]
    assert old.messages() == []
    assert [one[0] for one in foo.told("@+a TAGMSG #none", "@+a TAGMSG zoe", "@+a TAGMSG a,b,c,d,e")][:2] == ["403", "401"]


def test_who_may_not_speak_is_not_heard_by_tags(chat: Chat) -> None:
    """A room that is moderated, or not for those outside, and who ignores somebody: none of them are sent TAGMSG."""
    foo, bar, out = (IrcClient(chat, nick, "message-tags") for nick in ("foo", "bar", "out"))
    together(chat, foo, bar)
    assert out.told("@+typing=active TAGMSG #chan")[0][:2] == ("404", "#chan")
    foo.send("MODE #chan +m")
    assert bar.told("@+typing=active TAGMSG #chan")[-1][:2] == ("404", "#chan")
    foo.send("MODE #chan +v bar")
    foo.messages()
    assert bar.told("@+typing=active TAGMSG #chan")[1:] == []
    assert foo.heard() == [("TAGMSG", "#chan")]
    foo.ask("CHAT :/ignore bar")
    bar.send("@+typing=active TAGMSG #chan", "@+typing=active TAGMSG foo")
    assert foo.heard() == []


def test_labels(chat: Chat) -> None:
    """None is ACK, one reply carries the label, several are a batch of it (IRCv3 labeled-response)."""
    foo = IrcClient(chat, "foo", *MODERN)
    found = foo.ask("@label=a JOIN #chan")
    assert commands(found) == ["BATCH", "JOIN", "353", "366", "BATCH"]
    name = found[0].params[0].removeprefix("+")
    assert (found[0].tags["label"], found[0].params[1], found[-1].params) == ("a", "labeled-response", (f"-{name}",))
    assert [one.tags["batch"] for one in found[1:-1]] == [name] * 3
    (pong,) = foo.ask("@label=b PING x")
    assert pong.tags["label"] == "b"
    assert [(one.command, one.tags["label"]) for one in foo.ask("@label=c PONG x", "@label=d ZAP")] == [
        ("ACK", "c"),
        ("421", "d"),
    ]
    found = foo.ask("@label=e PRIVMSG foo :hi")
    assert sorted(one.tags.get("label", "") for one in found) == ["", "e"]
    IrcClient(chat, "bar")
    IrcClient(chat, "baz")
    found = foo.ask("@label=f PRIVMSG bar,baz :hi")
    assert commands(found) == ["BATCH", "PRIVMSG", "PRIVMSG", "BATCH"]
    silent = IrcClient(chat, "silent", "labeled-response", "batch")
    assert commands(silent.ask("JOIN #chan", "@label=g PRIVMSG #chan :hi"))[-1] == "ACK"
    for line, answer in (
        ("@label=h TOPIC #chan :x", "TOPIC"),
        ("@label=i MODE #chan +i", "MODE"),
        ("@label=j NICK foz", "NICK"),
    ):
        found = [one for one in foo.ask(line) if "label" in one.tags]
        assert commands(found) == [answer]


def test_the_echo_is_the_receipt_and_replies_keep_their_order(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """“the server … sends back … messages”: when they are kept; and a PONG comes after all that was said before it."""
    foo, bar = IrcClient(chat, "foo", *MODERN), IrcClient(chat, "bar")
    together(chat, foo, bar)
    held: list[object] = []
    settle = chat.log._settle  # type: ignore[attr-defined]
    monkeypatch.setattr(chat.log, "_settle", lambda *batches: held.append(batches))
    foo.send("PRIVMSG #chan :one", "PRIVMSG #none :two", "PING x", "@label=1 PRIVMSG #chan :three")
    assert foo.messages() == []
    assert [one.params[1] for one in bar.messages()] == ["one"], "the disk never delays the conversation"
    monkeypatch.setattr(chat.log, "_settle", settle)
    settle(*held.pop())  # type: ignore[misc]
    chat.turn()
    found = foo.messages()
    assert [one.params[-1] for one in found] == ["one", "No such channel", "x", "three"]
    assert found[-1].tags["label"] == "1"


def test_what_is_not_kept_is_said(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that was shown, but that the disk did not take, comes back with a warning."""
    foo = IrcClient(chat, "foo", *MODERN)
    together(chat, foo)
    settle = chat.log._settle  # type: ignore[attr-defined]
    monkeypatch.setattr(chat.log, "_settle", lambda batches, duplicates: settle(batches, None))
    found = foo.told("PRIVMSG #chan :x")
    assert found == [("PRIVMSG", "#chan", "x"), ("WARN", "PRIVMSG", "NOT_KEPT", "Your message was shown, but not kept: 'x'")]


def test_history(chat: Chat) -> None:
    """“CHATHISTORY LATEST, BEFORE, AFTER, BETWEEN, AROUND”: exclusive bounds, ascending, in a batch (IRCv3 chathistory)."""
    foo = IrcClient(chat, "foo", *MODERN, "draft/chathistory")
    together(chat, foo)
    said = []
    for number in range(10):
        said += foo.ask(f"PRIVMSG #chan :{number}")
        chat.clock.advance(1)
    ids, times = [one.tags["msgid"] for one in said], [one.tags["time"] for one in said]

    def asked(words: str) -> str:
        found = foo.ask(f"CHATHISTORY {words}")
        assert (found[0].params[1:], found[-1].command) == (("chathistory", "#chan"), "BATCH")
        for one in found[1:-1]:
            at = int(one.params[1])
            assert (one.tags["msgid"], one.tags["time"], one.tags["batch"]) == (ids[at], times[at], found[0].params[0][1:])
        return "".join(one.params[1] for one in found[1:-1])

    assert asked("LATEST #chan * 3") == "789"
    for place in (f"msgid={ids[5]}", f"timestamp={times[5]}"):
        assert asked(f"LATEST #chan {place} 50") == "6789"
        assert asked(f"LATEST #chan {place} 2") == "89"
        assert asked(f"BEFORE #chan {place} 2") == "34"
        assert asked(f"AFTER #chan {place} 2") == "67"
        assert asked(f"AROUND #chan {place} 1") == "5"
        assert asked(f"AROUND #chan {place} 3") == "456"
    assert asked(f"BETWEEN #chan msgid={ids[2]} msgid={ids[6]} 50") == "345"
    assert asked(f"BETWEEN #chan msgid={ids[2]} timestamp={times[6]} 2") == "34"
    assert asked(f"BETWEEN #chan timestamp={times[6]} msgid={ids[2]} 2") == "45"
    assert foo.told("CHATHISTORY LATEST #none * 3")[0][:5] == ("FAIL", "CHATHISTORY", "INVALID_TARGET", "LATEST", "#none")
    assert foo.told("CHATHISTORY LATEST #chan what 3")[0][:3] == ("FAIL", "CHATHISTORY", "INVALID_PARAMS")
    found = foo.ask(f"CHATHISTORY TARGETS timestamp={times[0]} timestamp=2100-01-01T00:00:00.000Z 5")
    assert [one.params[:2] for one in found[1:-1]] == [("TARGETS", "#chan")]


def test_history_on_join(chat: Chat) -> None:
    """Who does not ask for history is shown its end, with its times; who can ask is not (IRCv3 chathistory)."""
    old, new = IrcClient(chat, "old", "server-time", "batch"), IrcClient(chat, "new", *MODERN, "draft/chathistory")
    chat.enter("Tel").send("/join #chan", "before")
    chat.clock.advance(60)
    found = old.ask("JOIN #chan")
    assert commands(found) == ["JOIN", "353", "366", "BATCH", "PRIVMSG", "BATCH"]
    assert found[4].tags["time"] < found[0].tags["time"]
    assert commands(new.ask("JOIN #chan")) == ["JOIN", "353", "366"]


def test_read_markers(chat: Chat) -> None:
    """“MARKREAD <target> [timestamp]”: never backwards; on JOIN “before RPL_ENDOFNAMES” (IRCv3 read-marker)."""
    foo = IrcClient(chat, "foo", "draft/read-marker")
    assert foo.told("JOIN #chan")[1] == ("MARKREAD", "#chan", "*")
    late, early = "timestamp=2026-01-01T00:00:02.000Z", "timestamp=2026-01-01T00:00:01.000Z"
    assert foo.told(f"MARKREAD #chan {late}", f"MARKREAD #chan {early}") == [("MARKREAD", "#chan", late)] * 2
    assert foo.told("PART #chan", "JOIN #chan")[2] == ("MARKREAD", "#chan", late)
    assert [one[:3] for one in foo.told("MARKREAD", "MARKREAD #chan *", "MARKREAD #chan x")] == [
        ("FAIL", "MARKREAD", "NEED_MORE_PARAMS"),
        ("FAIL", "MARKREAD", "INVALID_PARAMS"),
        ("FAIL", "MARKREAD", "INVALID_PARAMS"),
    ]


def test_accounts_and_names_are_told(chat: Chat) -> None:
    """“JOIN <channel> <account> :<realname>”, “ACCOUNT <account>”, “SETNAME :<realname>” to who asked (IRCv3)."""
    registered(chat, "jilles")
    foo = IrcClient(chat, "foo", "extended-join", "account-notify", "setname")
    together(chat, foo)
    jilles = IrcClient(chat, "x", "sasl", "setname", sasl=blob("jilles", "opensesame"))
    jilles.send("JOIN #chan")
    assert foo.heard() == [("JOIN", "#chan", "jilles", "Realname")]
    jilles.send("NICK guest1")
    assert foo.heard() == [("NICK", "guest1"), ("ACCOUNT", "*")]
    assert jilles.told("SETNAME :New Name")[-1] == ("SETNAME", "New Name")
    assert foo.heard() == [("SETNAME", "New Name")]
    assert any("New Name" in one for one in foo.told("WHOIS guest1"))
    assert IrcClient(chat, "y", "extended-join").told("JOIN #chan")[0] == ("JOIN", "#chan", "*", "Realname")
