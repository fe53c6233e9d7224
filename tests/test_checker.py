"""The checker finds each kind of breach, and nothing where there is none."""

from dataclasses import replace

import pytest
from torture.checker import Life, check

A0, A1, B0 = ("al", 0), ("al", 1), ("bo", 0)
GOOD = Life(
    sent=[A0, A1, B0],
    receipts=[(A0, 1), (B0, 2), (A1, 3)],
    shown={"cy": [(A0, 1), (B0, 2), (A1, 3)], "di": [(A0, 0), (B0, 0), (A1, 0)]},
    stayed={"cy", "di"},
    settled={"al", "bo"},
    looks=[([A0], [A0, B0])],
)
HISTORY = [(1, A0), (2, B0), (3, A1)]


def test_nothing_is_found_where_all_is_well() -> None:
    """A life that was what it should be has no breach; nor has one that a crash ended, with the unreceipted lost."""
    assert check([GOOD], HISTORY) == []
    crashed = Life(sent=[A0, A1], receipts=[(A0, 1)], shown={"cy": [(A0, 1), (A1, 2)]})
    assert check([crashed], [(1, A0)]) == []
    sent_again = Life(sent=[A1], receipts=[(A1, 65)], shown={"cy": [(A1, 65)]})
    assert check([crashed, sent_again], [(1, A0), (65, A1)]) == []


def test_a_message_without_a_receipt_may_be_kept() -> None:
    """Whether it is kept is open, until its sender has been told."""
    life = Life(sent=[A0])
    assert check([life], []) == check([life], [(1, A0)]) == []


@pytest.mark.parametrize(
    ("rule", "life", "history"),
    [
        ("set-full", GOOD, HISTORY[:2]),
        ("set-full", GOOD, [(1, A0), (2, B0), (4, A1)]),
        ("phantom", GOOD, [*HISTORY, (4, ("eve", 0))]),
        ("phantom", replace(GOOD, shown={"cy": [(("eve", 0), 9)]}, stayed={"cy"}), HISTORY),
        ("double", GOOD, [*HISTORY, (4, A1)]),
        ("double", replace(GOOD, shown={"cy": [*GOOD.shown["cy"], (A1, 4)]}, stayed={"cy"}), HISTORY),
        ("sender's order", replace(GOOD, receipts=[]), [(1, A1), (2, B0), (3, A0)]),
        ("sender's order", replace(GOOD, shown={"di": [(A1, 0), (A0, 0)]}, stayed={"di"}), HISTORY),
        ("order", replace(GOOD, shown={"cy": [(B0, 2), (A0, 1)]}, stayed={"cy"}), HISTORY),
        ("order", replace(GOOD, shown=GOOD.shown | {"di": [(A0, 0), (A1, 0)]}), HISTORY),
        ("order", replace(GOOD, shown=GOOD.shown | {"di": [(B0, 0), (A0, 0), (A1, 0)]}), HISTORY),
        ("read your writes", replace(GOOD, looks=[([A0, B0], [A0])]), HISTORY),
        ("differs", replace(GOOD, receipts=[], shown={"cy": [(A1, 3)], "di": [(A1, 4)]}), HISTORY),
        ("number twice", replace(GOOD, receipts=[], shown={"cy": [(A1, 2)]}, stayed={"cy"}), HISTORY),
        ("no word", replace(GOOD, receipts=GOOD.receipts[:2]), HISTORY),
        ("false word", replace(GOOD, receipts=GOOD.receipts[:2], lost=[A1]), HISTORY),
    ],
)
def test_each_breach_is_found(rule: str, life: Life, history: list[tuple[int, tuple[str, int]]]) -> None:
    """For each rule, what breaks it is named by it."""
    assert any(breach.startswith(f"{rule}:") for breach in check([life], history))


def test_a_number_used_in_two_lives_is_found() -> None:
    """After a crash that lost a message its number must not come back, though the log does not know it any more."""
    first = Life(sent=[A0], shown={"cy": [(A0, 7)]})
    second = Life(sent=[B0], shown={"cy": [(B0, 7)]})
    assert any(breach.startswith("number twice:") for breach in check([first, second], [(7, B0)]))
