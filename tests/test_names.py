"""Names that can't deceive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_chat.core import names
from twisted_chat.core.errors import BadName
from twisted_chat.testing import Chat


@pytest.mark.parametrize(
    ("name", "other"),
    [("bill", "bi11"), ("modern", "rnodern"), ("bob", "b0b"), ("evan", "еvаn"), ("user1", "userl"), ("ann", "ANN")],
)
def test_look_alikes_share_a_skeleton(name: str, other: str) -> None:
    """UTS #39, 4: two strings are confusable if their skeletons are the same."""
    assert names.skeleton(names.fold(name)) == names.skeleton(names.fold(other))


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
    assert len({names.skeleton(name) for name in known}) == len(known)
    for name in ("Ali", "Anna", "Иван", "Γιώργος", "たろう", "李Bob", "O'Neil"):
        assert names.person(name) == name


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("Annа", "mixes Cyrillic and Latin"),
        ("аdmin", "mixes"),
        ("adrnin", "reserved"),
        ("r00t", "reserved"),
        ("NickServ", "reserved"),
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


@given(st.text())
def test_nothing_but_refusals_and_all_is_stable(text: str) -> None:
    """Any text is a name or is refused; folding and looking a second time change nothing."""
    key = names.fold(text)
    assert names.fold(key) == key
    assert names.skeleton(names.skeleton(key)) == names.skeleton(key)
    try:
        name = names.person(text)
    except BadName:
        return
    assert names.person(name) == name
