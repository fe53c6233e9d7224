"""The short form of ``python tests/torture``: each case on each door is a test of that name.

They take a few minutes together, and load the machine: ``pytest -m torture`` runs them, a plain ``pytest`` does not.
"""

from collections.abc import Iterator

import pytest
from torture.case import Case
from torture.doors import DOORS
from torture.run import Runner, all_cases

pytestmark = pytest.mark.torture

SHORT = [
    pytest.param(case, door, id=f"{case.number}-{door}-{case.what}")
    for case in all_cases()
    if not case.long
    for door in DOORS
    if case.applies(door)
]


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """One daemon for all that need none of their own."""
    runner = Runner()
    yield runner
    runner.close()


@pytest.mark.parametrize(("case", "door"), SHORT)
def test_case(runner: Runner, case: Case, door: str) -> None:
    """The outcome is the one it must have, and nobody was hurt."""
    assert not runner.run(case, door).problems
