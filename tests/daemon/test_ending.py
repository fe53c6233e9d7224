"""The daemon is asked for its end by signals, and more than once: only the first counts, however close the others follow."""

import signal
from collections.abc import Callable, Iterator

import pytest

from twisted_chat.daemon.signals import Ending

ENDS = (signal.SIGINT, signal.SIGTERM)


class Reactor:
    """What `Ending` needs of a reactor: Twisted's has the process's signals, and these are the test's."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.interrupted = False  # by the next signal, while it handles one
        self.waiting: list[Callable[[], object]] = []

    def handle(self, number: int, frame: object) -> None:
        """A signal has come."""
        self.asked.append(number)
        if self.interrupted:
            signal.raise_signal(number)

    def callFromThread(self, call: Callable[[], object]) -> None:
        """Called in signal handlers, too."""
        self.waiting.append(call)


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    """One whose handlers are installed."""
    reactor = Reactor()
    before = [(number, signal.signal(number, reactor.handle)) for number in ENDS]
    yield reactor
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDS)
def test_of_many_signals_the_first_ends_the_daemon(reactor: Reactor, number: int) -> None:
    """Also where the second comes before the reactor has done anything about the first."""
    again: list[str] = []
    Ending(reactor, lambda: again.append("again")).watch()
    for one in (number, number, *ENDS):
        signal.raise_signal(one)
    assert reactor.asked == [number]
    for call in reactor.waiting:
        call()
    assert again == ["again"] * 3


def test_a_signal_may_come_while_another_is_handled(reactor: Reactor) -> None:
    """It is a second one all the same."""
    reactor.interrupted = True
    Ending(reactor, lambda: None).watch()
    signal.raise_signal(signal.SIGTERM)
    assert reactor.asked == [signal.SIGTERM]
    assert len(reactor.waiting) == 1


def test_once_the_end_has_begun_no_signal_ends_the_daemon(reactor: Reactor) -> None:
    """Somebody has typed that the daemon stop: a signal then asks for nothing new."""
    ending = Ending(reactor, lambda: None)
    ending.watch()
    ending.has_begun()
    signal.raise_signal(signal.SIGTERM)
    assert reactor.asked == []


def test_handlers_of_others_are_left_alone(reactor: Reactor) -> None:
    """Whoever runs the service without the reactor's handlers has their own, and keeps them."""
    other: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: other.append(number))
    ending = Ending(reactor, lambda: None)
    ending.watch()
    ending.has_begun()
    signal.raise_signal(signal.SIGTERM)
    assert other == [signal.SIGTERM]
