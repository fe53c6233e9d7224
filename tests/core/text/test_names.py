"""Names that can't deceive."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from twisted_chat.core.errors import BadName
from twisted_chat.core.text import names
from twisted_chat.testing import Chat


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("bill", "bi11"),
        ("Bill", "BiII"),
        ("biII", "BILl"),
        ("lan", "Ian"),
        ("modern", "rnodern"),
        ("bob", "b0b"),
        ("evan", "еvаn"),
        ("user1", "userl"),
        ("ann", "ANN"),
        ("ian", "i\u0307an"),
        ("ian", "İan"),
        ("ıan", "ian"),
        ("scope", "ѕсоре"),
    ],
)
def test_look_alikes_share_a_skeleton(name: str, other: str) -> None:
    """UTS #39, 4: two strings are confusable if their skeletons are the same; with case folded away, or as it is."""
    assert names.skeletons(name) & names.skeletons(other)


def test_other_names_do_not() -> None:
    """Names that nobody takes for each other are different."""
    known = [
        "ann",
        "anna",
        "bob",
        "bob2",
        "user1",
        "user2",
        "user11",
        "simran",
        "bill",
        "will",
        "ali",
        "all",
        "ben",
        "zoë",
        "zoe",
    ]
    looks = [names.skeletons(name) | names.skeletons(name.title()) for name in known]
    assert not [pair for pair in combinations(looks, 2) if pair[0] & pair[1]]
    for name in ("Ali", "ALI", "Anna", "Иван", "Γιώργος", "たろう", "李Bob", "O'Neil"):
        assert names.person(name) == name


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("Annа", "mixes Cyrillic and Latin"),
        ("аdmin", "mixes"),
        ("adrnin", "reserved"),
        ("r00t", "reserved"),
        ("NickServ", "reserved"),
        ("nuII", "reserved"),
        ("/quit", "letters, digits"),
        ("x" + "\u0332" * 5, "at most 4 marks"),
        ("\u0915\u094d\u200d\u0937", "can't be seen"),
        ("a b", "no spaces"),
        ("", "empty"),
        ("..", "begins with a letter"),
        ("12345", "at least one letter"),
        ("x" * 33, "at most 32"),
    ],
)
def test_each_refusal_says_which_rule(name: str, rule: str) -> None:
    """Whoever is refused learns why."""
    with pytest.raises(BadName, match=rule):
        names.person(name)


def test_nobody_takes_a_name_that_looks_like_anothers() -> None:
    """Neither of somebody here, nor of a registered name, nor of one that was changed to."""
    chat = Chat()
    chat.enter("modern")
    second = chat.enter("rnodern")
    assert any("looks like another one" in line for line in second.lines())
    second.send("Ben", "/nick rnodern")
    assert any("looks like another one" in line for line in second.lines())


@pytest.mark.parametrize("first", ["Bill", "BiII"])
@pytest.mark.parametrize("held", [False, True])
def test_a_capital_i_is_no_small_l(first: str, held: bool) -> None:
    """Whoever comes first has the look of the name as it is shown; also while it is held for who was cut off."""
    chat = Chat()
    other = "BiII" if first == "Bill" else "Bill"
    here = chat.enter(first)
    if held:
        here.transport.protocol.connectionLost(Failure(ConnectionLost()))
    second = chat.enter(other)
    assert any("looks like another one" in line for line in second.lines())


def test_ones_own_name_is_not_written_so_that_it_looks_like_anothers() -> None:
    """Another case of one's own name is looked at like a new name; and a name is free again once it is let go."""
    chat = Chat()
    ann, bob = chat.enter("blll"), chat.enter("Bill")
    bob.lines()
    bob.send("/nick BILL", "/nick bill")
    assert [line for line in bob.lines() if "looks like" in line]
    ann.send("/nick Ann")
    bob.send("/nick BILL")
    assert not [line for line in bob.lines() if "looks like" in line]


@given(st.text())
def test_nothing_but_refusals_and_all_is_stable(text: str) -> None:
    """Any text is a name or is refused; folding and looking a second time change nothing."""
    key = names.fold(text)
    assert names.fold(key) == key
    looks = names.skeletons(text)
    assert frozenset().union(*map(names.skeletons, looks)) == looks
    try:
        name = names.person(text)
    except BadName:
        return
    assert names.person(name) == name
