"""What holds for every test."""

from collections.abc import Iterator

import pytest
from daemons import OPEN, Daemon, running


@pytest.fixture(autouse=True)
def sockets_closed() -> Iterator[None]:
    """Close the sockets that a test left open."""
    yield
    while OPEN:
        OPEN.pop().close()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A real daemon, one for all tests of a file that ask for it."""
    with running(tmp_path_factory.mktemp("state"), "--limits=off") as one:
        yield one
