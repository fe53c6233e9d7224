"""Bans and mutes: they are found as fast among thousands as among ten, hit whom they name, end in time, and have bounds."""

import gc
import sys
from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from chat_clients import Guest
from hypothesis import given
from hypothesis import strategies as st
from kept_chat import KeptChat

from twisted_chat.config import Config, Limits
from twisted_chat.core.errors import Banned, NotAllowed
from twisted_chat.core.records import Fact, Sanction
from twisted_chat.core.rooms.bans import MOST_BY_ONE, MOST_IN_ROOM, MOST_OPEN_MASKS, SERVER, Sanctions
from twisted_chat.core.text.hostmask import matches
from twisted_chat.core.users.cloaks import digest, host_of
from twisted_chat.core.users.session import Role
from twisted_chat.testing import Chat

MANY = 18_000


def restriction(number: int, target: str, room: str = SERVER, kind: str = "mute", until: float | None = None) -> Sanction:
    """One, by somebody."""
    return Sanction(id=number, kind=kind, room=room, target=target, by="boss", at=0.0, until=until, reason="")


def steps(call: Callable[[], object]) -> int:
    """How many steps of the interpreter a call takes: the same on every machine."""
    counted = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal counted
        frame.f_trace_opcodes = True
        counted += event == "opcode"
        return trace

    before = sys.gettrace()
    gc.disable()  # what listens to it would be counted
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
        gc.enable()
    assert counted > 0
    return counted


CROWDS: dict[str, Callable[[int], tuple[str, str]]] = {
    "names": lambda n: (f"somebody{n}", SERVER),
    "addresses": lambda n: (f"198.18.{n // 250}.{n % 250}", SERVER),
    "addresses of IPv6": lambda n: (f"2001:db8:{n:x}::1", SERVER),
    "networks": lambda n: (f"2001:db8:{n:x}::/48", SERVER),
    "masks of names": lambda n: (f"somebody{n}!*@*", SERVER),
    "masks of hosts": lambda n: (f"*!*@{n:010x}", SERVER),
    "in other rooms": lambda n: (("*!*@*", "*ann*!*@*", "192.0.2.0/24", "ann")[n % 4], f"#room{n // 100}"),
}


@pytest.mark.parametrize("crowd", CROWDS)
def test_a_message_costs_the_same_among_18000_mutes(crowd: str) -> None:
    """Whether somebody may speak, and come in, takes as many steps with 18,000 restrictions as with ten."""

    def cost(number: int) -> int:
        chat = Chat()
        ann = chat.enter("Ann").transport.protocol.session
        kept = (CROWDS[crowd](n) for n in range(number))
        chat.hub.restore(restriction(n + 1, target, room, "mute" if n % 2 else "ban") for n, (target, room) in enumerate(kept))
        room = chat.hub.rooms["#lobby"]
        admission = chat.hub.admission

        def ask() -> None:
            admission.check_mute(ann, room)
            admission.check_ban(ann, room, "ann", None)

        ask()  # what is remembered for the next time is there
        return steps(ask)

    assert cost(MANY) == cost(10)


NAMES = st.sampled_from(["ann", "ben", "cleo", "an", "dead"])
HOSTS = st.sampled_from(["1f2e3d4c5b", "00000000aa", "aaaaaaaaaa"])
ADDRESSES = st.sampled_from(["192.0.2.1", "192.0.3.9", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", ""])
NETWORKS = st.sampled_from(
    ["192.0.2.1", "192.0.2.0/24", "192.0.0.0/16", "0.0.0.0/0", "2001:db8::1", "2001:db8::/64", "2001:db8::/32", "::/0"]
)
PATTERNS = st.text("*?anbe", min_size=1, max_size=5)
TARGETS = st.one_of(
    NAMES,
    NETWORKS,
    st.builds("{}!{}@{}".format, st.one_of(NAMES, PATTERNS), st.sampled_from(["*", "~u", "u?"]), st.one_of(HOSTS, PATTERNS)),
)
PLACES = st.sampled_from([SERVER, "#a", "#b"])
KINDS = st.sampled_from(["ban", "mute"])


def hit_by(one: Sanction, key: str, masks: Iterable[str], address: str) -> bool:
    """What a target means, in the plainest way."""
    if "!" in one.target:
        return any(matches(one.target, mask) for mask in masks)
    try:
        network = ip_network(one.target)
    except ValueError:
        return one.target == key
    return bool(address) and ip_address(address) in network


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["add", "add", "remove", "forget", "wait"]), TARGETS, PLACES, KINDS, st.integers(0, 9))
    ),
    key=NAMES,
    hosts=st.lists(HOSTS, min_size=1, max_size=2),
    address=ADDRESSES,
)
def test_the_index_finds_what_a_look_at_each_would(
    steps: list[tuple[str, str, str, str, int]], key: str, hosts: list[str], address: str
) -> None:
    """Whatever was added, lifted, has expired or has ended with its room: the same restrictions hit."""
    now, plain, dropped = 0.0, dict[int, Sanction](), list[Sanction]()
    indexed = Sanctions((), dropped.extend)
    masks = [f"{key}!~u@{host}" for host in hosts]
    for what, target, room, kind, number in steps:
        match what:
            case "add":
                one = restriction(indexed.next_id(), target, room, kind, now + number if number > 4 else None)
                indexed.add(one)
                plain[one.id] = one
            case "remove" if plain:
                one = sorted(plain.values(), key=lambda one: one.id)[number % len(plain)]
                if one.id in indexed.all:
                    indexed.remove(one)
                del plain[one.id]
            case "forget" if room != SERVER:
                gone = {one.id for one in indexed.forget(room)}
                plain = {number: one for number, one in plain.items() if number not in gone and one.room != room}
            case "wait":
                now += number
        standing = {n: one for n, one in plain.items() if one.until is None or one.until > now}
        for place in (SERVER, "#a", "#b"):
            for of in ("ban", "mute"):
                found = [one.id for one in indexed.hitting(of, place, key, masks, address, now)]
                expected = [
                    n
                    for n, one in standing.items()
                    if one.kind == of and one.room in (SERVER, place) and hit_by(one, key, masks, address)
                ]
                assert sorted(set(found)) == sorted(expected)
            assert [one.id for one in indexed.standing(place, now)] == [n for n, one in standing.items() if one.room == place]
    indexed.standing(SERVER, now)
    assert indexed.all == {n: one for n, one in plain.items() if one.until is None or one.until > now}
    for one in tuple(indexed.all.values()):
        indexed.remove(one)
    assert not any(indexed.any(kind, place) for kind in ("ban", "mute") for place in (SERVER, "#a", "#b"))


def test_what_has_expired_is_gone_from_the_disk_too() -> None:
    """At the next look at anything, once each, however many were lifted before."""
    dropped: list[Sanction] = []
    kept = Sanctions((restriction(n, f"a{n}", until=float(n)) for n in range(1, 500)), dropped.extend)
    for n in range(1, 500, 2):
        kept.remove(kept.all[n])
    assert list(kept.hitting("mute", "#a", "a400", (), "", 400.0)) == []
    assert [one.id for one in dropped] == list(range(2, 401, 2))
    assert len(kept.all) == 49


def test_lifting_and_making_anew_leaves_nothing_behind() -> None:
    """What is remembered does not grow with what was."""
    kept = Sanctions()
    for n in range(1, 5000):
        one = restriction(n, "ann", until=1e9 + n)
        kept.add(one)
        kept.remove(one)
    assert len(kept._ends) < 100
    assert not kept.all
    assert kept.next_id() == 5000


def test_bounds() -> None:
    """A room has so many, a person makes so many in rooms, and the server so many that have to be compared one by one."""
    kept = Sanctions(restriction(n + 1, f"a{n}", "#a") for n in range(MOST_IN_ROOM))
    with pytest.raises(NotAllowed, match="There are 100 bans and mutes in #a already"):
        kept.check_space("#a", "boss", "x")
    kept.check_space("#b", "boss", "x")
    kept = Sanctions(restriction(n + 1, f"a{n}", f"#a{n // 90}") for n in range(MOST_BY_ONE))
    with pytest.raises(NotAllowed, match="You have made 1000"):
        kept.check_space("#new", "boss", "x")
    kept.check_space("#new", "another", "x")
    kept = Sanctions(restriction(n + 1, f"a{n}*!*@*") for n in range(MOST_OPEN_MASKS))
    with pytest.raises(NotAllowed, match="such masks already"):
        kept.check_space(SERVER, "boss", "b*!*@*")
    kept.check_space(SERVER, "boss", "b!*@*")


def test_a_new_one_takes_the_place_of_the_earlier() -> None:
    """Of the same kind, place and target: the latest counts."""
    chat = Chat()
    ann = Guest(chat, "line", "Ann").type("/join #tea", *["/ban Ben 1h"] * 200, "/mute Ben", "/ban Ben 2h late")
    standing = chat.hub.admission.sanctions.standing("#tea", chat.now())
    assert [(one.kind, one.target, one.reason) for one in standing] == [("mute", "ben", ""), ("ban", "ben", "late")]
    assert "2 h left" in ann.answer("/bans")


# Hosts


@given(st.ip_addresses(v=4))
def test_ipv4_inside_ipv6_has_the_host_of_ipv4(address: object) -> None:
    """However it is written."""
    assert host_of(f"::ffff:{address}", "k") == host_of(str(address), "k") == digest(str(address), "k")


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_a_network_of_64_bits_has_one_host(prefix: int, one: int, other: int) -> None:
    """Of another network it is another."""
    first, second = (str(ip_address(prefix << 64 | end)) for end in (one, other))
    if prefix:  # ::ffff:0:0/96 is IPv4
        assert host_of(first, "k") == host_of(second, "k")
        assert host_of(first, "k") != host_of(str(ip_address((prefix ^ 1) << 64 | one)), "k")
    assert host_of(first, "k") != host_of(first, "another key")


def test_masks_made_before_go_on_matching() -> None:
    """Of a whole IPv6 address, of a part of a host, and of an address in a room."""
    for target in (
        "*!*@" + digest("2001:db8::7", "secret"),
        "*!*@" + digest("2001:db8::7", "secret")[:3] + "*",
        "2001:db8::/48",
    ):
        chat = Chat()
        chat.hub.restore([Fact(key="cloak", value="secret"), restriction(1, target, "#lobby")])
        hit, other = (
            Guest(chat, "line", name, address=address) for name, address in (("Ann", "2001:db8::7"), ("Ben", "192.0.2.1"))
        )
        assert "can't speak in #lobby" in hit.answer("hello")
        assert "can't speak" not in other.answer("hello")


def test_a_ban_of_a_host_hits_the_whole_network() -> None:
    """Whoever has a network of 64 bits has no second chance in it."""
    chat = Chat()
    boss = Guest(chat, "line", "Boss").type("/join #tea")
    ann = Guest(chat, "line", "Ann", address="2001:db8:0:1::1")
    shown = boss.answer("/whois Ann")
    host = shown.partition("host ")[2].split()[0]
    assert "2001" not in shown
    boss.type(f"/ban @{host}")
    assert "You are banned from #tea" in ann.answer("/join #tea")
    assert "You are banned from #tea" in Guest(chat, "line", "Ann2", address="2001:db8:0:1:ffff::9").answer("/join #tea")
    assert "In #tea" in Guest(chat, "line", "Ben", address="2001:db8:0:2::1").answer("/join #tea")


@pytest.mark.parametrize("text", ["*!*@1f*", "@?", "ann!*@192.0.2.1", "*!*@1f2e3d4c5", "a!b@1f2e3d4c5g", "@*a"])
def test_no_new_mask_has_a_part_of_a_host(text: str) -> None:
    """Hosts say nothing by their parts: who has one by chance would be hit."""
    chat = Chat()
    ann = Guest(chat, "line", "Ann").type("/join #tea")
    for command in ("/ban", "/mute", "/except", "/welcome"):
        assert "A mask ends in @* or in a whole host" in ann.answer(f"{command} {text}")
    assert not chat.hub.admission.sanctions.all


def test_the_key_of_hosts_stays_and_is_told_to_nobody() -> None:
    """It is made once, and kept before anything is known by it."""
    saved: list[object] = []

    class Kept:
        async def save(self, *records: object) -> None:
            saved.extend(records)

    chat = Chat(Config(limits=Limits.OFF), records=Kept())  # type: ignore[arg-type]
    ann = Guest(chat, "line", "Ann")
    host = ann.client.transport.protocol.session.host
    keys = [one for one in saved if isinstance(one, Fact)]
    assert [one.key for one in keys] == ["cloak"]
    again = Chat()
    again.hub.restore(keys)
    assert Guest(again, "line", "Ben").client.transport.protocol.session.host == host
    assert again.hub.facts["cloak"] == keys[0].value


def test_an_operator_is_bound_by_no_equal() -> None:
    """A mask, which says nobody's name, hits no operator of the same rank; a higher rank's does; an earlier one did."""
    chat = Chat()
    owner, mod, other, plain = (Guest(chat, "line", name) for name in ("Owner", "Mod", "Other", "Plain"))
    for one in (owner, mod, other):
        one.type("/register secret99")
    for one in (owner, mod, other, plain):
        one.type("/join #tea")
    owner.type("/op Mod", "/op Other")
    mod.type("/mute *!*@*")
    for one, speaks in ((owner, True), (mod, True), (other, True), (plain, False)):
        assert ("can't speak" not in one.answer("hello")) is speaks
    assert "You cannot mute Other." in mod.answer("/mute Other")
    assert "You cannot ban Owner." in mod.answer("/ban Owner")
    other.leave()
    assert "You cannot mute other." in mod.answer("/mute Other")
    owner.type("/mute *!*@*")
    assert "can't speak" in mod.answer("hello")
    with pytest.raises(Banned):
        earlier = Sanctions([restriction(1, "owner", "#tea")])
        chat.hub.admission.sanctions = earlier
        chat.hub.admission.check_mute(owner.client.transport.protocol.session, chat.hub.rooms["#tea"])


def test_after_a_restart_hosts_and_restrictions_are_the_same(tmp_path: Path) -> None:
    """A mask of a host that was made before still hits, and so does an address, and each with its rank."""
    chat = KeptChat(tmp_path)
    ann = Guest(chat, "line", "Ann").type("/register secret99", "/join #tea")
    ben = Guest(chat, "line", "Ben", address="2001:db8::1")
    host = ben.client.transport.protocol.session.host
    ann.type(f"/ban @{host}", "/mute Cleo 1h", "/mute Dee 1h", "/unmute Dee")
    before = chat.hub.admission.sanctions.all
    chat.end()
    chat = KeptChat(tmp_path)
    assert chat.hub.admission.sanctions.all == before
    assert [(one.target, one.rank) for one in before.values()] == [(f"*!*@{host}", Role.OWNER), ("cleo", Role.OWNER)]
    ben = Guest(chat, "line", "Ben", address="2001:db8::ffff")
    assert ben.client.transport.protocol.session.host == host
    assert "You are banned from #tea" in ben.answer("/join #tea")
    chat.clock.advance(3601)
    ann = Guest(chat, "line", "Ann", "secret99").type("/join #tea")
    assert "cleo" not in ann.answer("/bans")
    chat.end()
    chat = KeptChat(tmp_path)
    assert [one.target for one in chat.hub.admission.sanctions.all.values()] == [f"*!*@{host}"]
    chat.end()


def test_nobody_ends_what_a_higher_rank_has_made() -> None:
    """Who is muted by the owner does not unmute themselves, nor put a shorter mute in its place; what is older is anybody's."""
    chat = Chat()
    owner, mod = (Guest(chat, "line", name).type("/register secret99", "/join #tea") for name in ("Owner", "Mod"))
    owner.type("/op Mod", "/mute Mod", "/ban Ben", "/ban *!*@0123456789")
    refused = "was made by somebody of a higher rank"
    for line in ("/unmute Mod", "/unban Ben", "/ban Ben 1s", "/unban *!*@0123456789", "/ban *!*@0123456789 1s"):
        assert refused in mod.answer(line), line
    assert len(chat.hub.admission.sanctions.all) == 3
    assert "Done" in owner.answer("/unmute Mod")
    chat.hub.admission.sanctions.add(restriction(99, "cleo", "#tea"))
    assert "Done" in mod.answer("/unmute Cleo")
    assert "Done" in owner.answer("/unban Ben")


def test_what_has_expired_is_in_nobodys_way() -> None:
    """A mute of the owner's that is over is no mute of a higher rank, and takes no space."""
    chat = Chat()
    owner, mod = (Guest(chat, "line", name).type("/register secret99", "/join #tea") for name in ("Owner", "Mod"))
    owner.type("/op Mod", "/mute Ben 1m", *(f"/mute a{n} 1m" for n in range(MOST_IN_ROOM - 1)))
    assert f"There are {MOST_IN_ROOM} bans and mutes in #tea already." in mod.answer("/mute Cleo")
    assert "of a higher rank" in mod.answer("/mute Ben")
    chat.clock.advance(61)
    assert "Done" in mod.answer("/mute Ben")
    assert "Done" in mod.answer("/mute Cleo")
    assert [one.target for one in chat.hub.admission.sanctions.all.values()] == ["ben", "cleo"]
