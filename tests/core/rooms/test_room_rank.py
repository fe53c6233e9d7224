"""The rank that counts is that in the room acted upon: never that in the current room, on any protocol."""

from itertools import product

import pytest
from chat_clients import Guest
from irc_clients import IrcClient

from twisted_chat.core.command_table.table import Command
from twisted_chat.core.commands.builtins import table
from twisted_chat.core.records import Account, Policy, RoomRecord
from twisted_chat.core.users.session import Role
from twisted_chat.testing import Chat

RANKS = (Role.MEMBER, Role.MODERATOR, Role.OWNER)
SITUATIONS = list(product(RANKS, RANKS, (True, False)))  # in the current room, in the one that is named, inside it or not
PASSWORD = "secret99"
# What is given for each word of a usage.
WORDS = {"NAME": "vic", "ADDRESS": "vic", "TEXT": "x", "SECONDS": "5", "NUMBER": "1", "DURATION": "10m", "POLICY": "moderated"}
REFUSED = ("Only an operator of this room", "Only the owner of this room")


def room(key: str, rank: Role) -> RoomRecord:
    """A room where Sam has that rank, and Vic and Mod are somebody, too."""
    operators = ("mod", "sam") if rank is Role.MODERATOR else ("mod",)
    return RoomRecord(key=key, owner="sam" if rank is Role.OWNER else "boss", policy=Policy(operators=operators))


def server(here: Role, there: Role) -> Chat:
    """A server with two rooms, where Vic and Mod are in both."""
    chat = Chat()
    for name in ("Sam", "Boss", "Mod"):
        chat.hub.put_account(Account(key=name.lower(), name=name, password=PASSWORD, created=0.0))
    chat.hub.restore([room("#here", here), room("#there", there)])
    for name, password in (("Vic", None), ("Mod", PASSWORD)):
        Guest(chat, "json", name, password).type("/join #here", "/join #there")
    return chat


def sam(chat: Chat, kind: str, inside: bool) -> Guest:
    """Sam, who talks in #here."""
    return Guest(chat, kind, "Sam", PASSWORD).type(*["/join #there"] * inside, "/join #here")


def needing_a_rank() -> list[Command]:
    """The commands that act in a room, and need a rank there."""
    return [command for command in table.commands.values() if Role.MODERATOR <= command.role <= Role.OWNER]


def naming() -> list[Command]:
    """Those of them that may name the room."""
    return [command for command in needing_a_rank() if command.usage.partition(" ")[2].startswith("[ROOM")]


def arguments(command: Command) -> list[str]:
    """Words that the command takes, without a room."""
    words = [word for word in command.usage.split()[1:] if not word.startswith("[")]
    return [WORDS[word.removesuffix("...").split("|")[0]] for word in words]


def test_commands_that_name_a_room_are_among_those_tried() -> None:
    """Or the tests here would try nothing."""
    assert {"ban", "mute", "unban", "unmute", "bans"} <= {command.name for command in naming()}
    assert {"kick", "op", "slow", "token", "delete", "except"} <= {command.name for command in needing_a_rank()}


@pytest.mark.parametrize("kind", ["line", "json"])
@pytest.mark.parametrize("command", naming(), ids=lambda command: command.name)
def test_a_command_that_names_a_room(command: Command, kind: str) -> None:
    """It is allowed if and only if the rank in that room suffices, whatever it is in the current room."""
    for here, there, inside in SITUATIONS:
        chat = server(here, there)
        shown = sam(chat, kind, inside).answer(" ".join([f"/{command.name}", "#there", *arguments(command)]))
        refused = any(words in shown for words in REFUSED)
        assert refused is (there < command.role), (here, there, inside, shown)
        made = chat.hub.admission.sanctions.all.values()
        assert {one.room for one in made} <= {"#there"}, (here, there, inside)
        assert bool(made) is (command.name in ("ban", "mute") and not refused)


@pytest.mark.parametrize("kind", ["line", "json"])
def test_who_can_be_kept_out_depends_on_the_named_room(kind: str) -> None:
    """Its owner keeps out its operators; nobody else does, whatever they are elsewhere."""
    for (here, there, inside), word in product(SITUATIONS, ("ban", "mute")):
        chat = server(here, there)
        shown = sam(chat, kind, inside).answer(f"/{word} #there Mod")
        assert (f"You cannot {word} Mod." in shown) is (there is Role.MODERATOR), (here, there, inside, shown)
        assert bool(chat.hub.admission.sanctions.all) is (there is Role.OWNER)


@pytest.mark.parametrize("command", needing_a_rank(), ids=lambda command: command.name)
def test_a_request_that_names_a_room(command: Command) -> None:
    """A program's ``room`` is where its command acts, and where its rank counts. It has to be inside."""
    needed = Role.OWNER if command.name == "deop" else command.role  # of somebody else
    for here, there, inside in SITUATIONS:
        chat = server(here, there)
        client = sam(chat, "json", inside).client
        client.lines()  # type: ignore[union-attr]
        client.send({"type": "do", "command": command.name, "arguments": arguments(command), "room": "#there", "id": "1"})
        codes = [one.get("code") for one in client.objects() if one["type"] == "error"]  # type: ignore[union-attr]
        if not inside:
            assert codes == ["not-in-room"], (here, there)
        else:
            assert ("not-allowed" in codes) is (there < needed), (here, there, codes)


MODES = ("+b vic", "-b vic", "+e vic", "-e vic", "+I vic", "+v Vic", "-v Vic", "+i", "+k key", "+l 9", "+m", "-n", "+s", "+t")


@pytest.mark.parametrize("line", [f"MODE #there {mode}" for mode in MODES] + ["KICK #there Vic", "MODE #there +o Vic"])
def test_irc(line: str) -> None:
    """MODE and KICK on a channel: 442 outside of it, 482 without the rank there."""
    needed = Role.OWNER if "+o" in line else Role.MODERATOR
    for here, there, inside in SITUATIONS:
        chat = server(here, there)
        irc = IrcClient(chat)
        irc.client.send(f"PASS sam:{PASSWORD}", "NICK Sam", "USER u * * :Sam")
        assert chat.hub.people["sam"][0].registered
        irc.ask(*["JOIN #there"] * inside, "JOIN #here")
        found = [one.command for one in irc.ask(line)]
        expected = "442" if not inside else "482" if there < needed else None
        assert ([one for one in found if one in ("442", "482")] or [None])[0] == expected, (here, there, inside, found)


def test_a_room_among_the_arguments_counts_before_that_of_the_request() -> None:
    """A program may name both: what is done, is done in the one that the command itself names, by the rank there."""
    for here, there, inside in SITUATIONS:
        for target in ("#there", "*"):
            chat = server(here, there)
            client = sam(chat, "json", inside).client
            client.lines()  # type: ignore[union-attr]
            client.send({"type": "do", "command": "ban", "arguments": [target, "vic"], "room": "#here"})
            refused = [one["code"] for one in client.objects("error")] == ["not-allowed"]  # type: ignore[union-attr]
            assert refused is (target == "*" or there < Role.MODERATOR)
            assert {one.room for one in chat.hub.admission.sanctions.all.values()} == (set() if refused else {"#there"})


def test_a_command_that_names_the_server() -> None:
    """Only server operators may, whatever anybody is in a room; and without a room nothing is guessed."""
    for here, there, inside in SITUATIONS:
        chat = server(here, there)
        one = sam(chat, "line", inside)
        for command in naming():
            shown = one.answer(" ".join([f"/{command.name}", "*", *arguments(command)]))
            assert "Only an operator of the server may do that." in shown
        one.type("/leave #here", *["/leave #there"] * inside, "/leave #lobby")
        for command in naming():
            shown = one.answer(" ".join([f"/{command.name}", *arguments(command)]))
            assert f"You are in no room. Name one: /{command.name} #ROOM …" in shown
            assert f"the whole server: /{command.name} * …" in shown
        assert not chat.hub.admission.sanctions.all
