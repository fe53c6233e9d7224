"""What holds for every test."""

from collections.abc import Iterator

import pytest
from daemons import OPEN


@pytest.fixture(autouse=True)
def sockets_closed() -> Iterator[None]:
    """Close the sockets that a test left open."""
    yield
    while OPEN:
        OPEN.pop().close()
