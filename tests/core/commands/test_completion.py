"""What a word becomes with Tab: pure, and for somebody who is connected."""

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from twisted_chat.client.terminal import Words
from twisted_chat.config import Config
from twisted_chat.core.command_table.completion import candidates, for_person
from twisted_chat.core.commands.builtins import table
from twisted_chat.core.events import Joined, Left, People, Renamed, Welcome
from twisted_chat.core.rate_limits import Often
from twisted_chat.testing import Chat

USAGES = {command.name: command.usage for command in table.commands.values()}
PEOPLE = ["Ann", "anton", "Bo", "Åse"]
ROOMS = ["#lobby", "#tea"]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("an", ["Ann", "anton"]),
        ("hello AN", ["Ann", "anton"]),
        ("in #T", ["#tea"]),
        ("one line\nå", ["Åse"]),
        ("", []),
        ("hello ", []),
        ("/wh", ["/who", "/whois"]),
        ("//wh", []),
        ("who", []),
        ("/kick ", ["Ann", "anton", "Bo", "Åse"]),
        ("/kick b", ["Bo"]),
        ("/KICK b", ["Bo"]),
        ("/kick Bo an", ["Ann", "anton"]),  # the reason is a text
        ("/kick Bo for b", ["Bo"]),
        ("/kick Bo ", []),
        ("/join ", ["#lobby", "#tea"]),
        ("/join #tea k", []),
        ("/help wh", ["who", "whois"]),
        ("/bell ", ["all", "mention", "off"]),
        ("/quiet on o", []),
        ("/set co", ["colour"]),
        ("/notice #", ["#lobby", "#tea"]),
        ("/notice b", ["Bo"]),
        ("/ban #", ["#lobby", "#tea"]),
        ("/ban b", ["Bo"]),
        ("/ban #tea b", ["Bo"]),
        ("/ban Bo 1d an", ["Ann", "anton"]),
        ("/ban #tea Bo an", []),
        ("/login Ann p", []),
        ("/nonsense an", []),
        ("/who #lobby an", []),
    ],
)
def test_what_a_word_may_become(typed: str, found: list[str]) -> None:
    """A command's words are what its usage names; in a text it is people and rooms."""
    assert candidates(typed, USAGES, PEOPLE, ROOMS) == found


def test_of_somebody_connected() -> None:
    """One is offered what one may do, who is in one's rooms or wrote last, and the rooms that one sees."""
    chat = Chat()
    ann, _, cy = chat.enter("Ann"), chat.enter("Ben"), chat.enter("Cy")

    def found(who: str, typed: str) -> list[str]:
        return for_person(chat.hub, table, chat.hub.people[who][0], typed)

    cy.send("/leave", "/join #secret", "/room private")
    ann.send("/join #tea")
    assert found("ann", "/msg ") == ["Ann", "Ben"]
    assert found("ann", "/join ") == ["#lobby", "#tea"]
    assert found("cy", "/join #s") == ["#secret"]
    assert found("ann", "/sh") == []  # only operators of the server may shut it down
    assert found("ann", "c") == []
    cy.send("/msg Ann psst")
    assert found("ann", "c") == ["Cy"]


def test_before_one_has_a_name_and_when_one_was_asked() -> None:
    """A visitor is offered the commands for visitors and no people; an answer is not completed."""
    chat = Chat()
    chat.enter("Ben").send("/register")
    visitor = chat.connect("line").transport.protocol.session
    assert for_person(chat.hub, table, visitor, "B") == []
    assert "/who" in for_person(chat.hub, table, visitor, "/")
    assert "/kick" not in for_person(chat.hub, table, visitor, "/")
    assert for_person(chat.hub, table, visitor, "/msg ") == []
    assert for_person(chat.hub, table, chat.hub.people["ben"][0], "B") == []


def test_no_more_often_than_looking_up() -> None:
    """Who has Tab held down is offered nothing for a while: it costs the others."""
    chat = Chat(Config(lookups=Often(2, 60.0)))
    chat.enter("Ann")
    ann = chat.hub.people["ann"][0]
    assert [for_person(chat.hub, table, ann, "A") for _ in range(3)] == [["Ann"], ["Ann"], []]
    chat.clock.advance(60)
    assert for_person(chat.hub, table, ann, "A") == ["Ann"]


def test_in_the_bundled_client() -> None:
    """The client has the same rules, with what it was told."""
    words = Words()
    words.learn(Welcome("Ann", "log", (), tuple(USAGES.items())))
    words.learn(People("#lobby", ("Ann", "Ben")))
    words.learn(Joined(1, 0.0, "#lobby", "Cy", 3))
    words.learn(Renamed(2, 0.0, "#lobby", "Ben", "Bo"))
    words.learn(Left(3, 0.0, "#lobby", "Ann", 2))

    def found(typed: str) -> list[tuple[str, int]]:
        completions = words.get_completions(Document(typed), CompleteEvent())
        return [(one.text, one.start_position) for one in completions]

    assert found("/kick b") == [("Bo", -1)]
    assert found("hello C") == [("Cy", -1)]
    assert found("/wh") == [("/who", -3), ("/whois", -3)]
    assert found("/join ") == [("#lobby", 0)]
    assert found("hello ") == []
