"""What encryption costs: measured are people who really come in by each way, and what they are not told is found."""

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from daemons import running

from bench.people import PAYLOAD, WAYS, InClear
from bench.ways import TALKERS, Cost, Faults, Room, measure, options, table

SAID = 40


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> type[InClear]:
    """Each of the ways."""
    return WAYS[request.param]


@pytest.fixture
def room() -> Iterator[Room]:
    """The talkers and one reader, none of whom has taken anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=TALKERS + 1) as listener:
        people = [InClear(listener.getsockname()[1], number) for number in range(TALKERS + 1)]
        room = Room(people)
        room.said = SAID
        yield room
        for person in people:
            person.socket.close()


def shown(numbers: Sequence[int]) -> list[bytes]:
    """Messages as they come, cut where it hurts."""
    whole = b"".join(b"[12:01] <guest> %d %s\r\n" % (number, PAYLOAD) for number in numbers)
    return [whole[at : at + 33] for at in range(0, len(whole), 33)]


def test_each_way_is_measured(way: type[InClear], tmp_path: Path) -> None:
    """They come in, ten talk, and everybody is told everything once."""
    with running(tmp_path, "--limits=off") as daemon:
        cost = measure(way, daemon.process.pid, daemon.port, TALKERS + 2, seconds=0.01)
    assert cost.faults == Faults()
    assert cost.joins > 1
    assert cost.cpu_us > 0.01
    assert cost.bytes > len(PAYLOAD)


def test_people_talk_at_a_rate(tmp_path: Path) -> None:
    """Who talks slowly has each message delivered by itself, which costs more."""
    with running(tmp_path / "fast", "--limits=off") as daemon:
        fast = measure(InClear, daemon.process.pid, daemon.port, TALKERS + 2, seconds=0.1)
    with running(tmp_path / "slow", "--limits=off") as daemon:
        slow = measure(InClear, daemon.process.pid, daemon.port, TALKERS + 2, seconds=0.1, rate=100)
    assert slow.faults == Faults()
    assert slow.cpu_us > 2 * fast.cpu_us


def test_only_clear_text_can_be_read_on_the_way(way: type[InClear], tmp_path: Path) -> None:
    """Else it would not be encryption whose cost is measured."""
    with running(tmp_path, "--limits=off") as daemon:
        talker = way(daemon.port, 0)
        talker.come_in()
        reader = way(daemon.port, 1)
        reader.come_in()
        talker.say(b"7 " + PAYLOAD)
        talker.flush()
        came = b""
        while not reader.told:
            reader.take()
            came += reader.taken[-1]
            reader.listen()
        talker.socket.close()
        reader.socket.close()
    assert reader.told == [7]
    assert (PAYLOAD in came) == (way is InClear)


def test_what_is_missing_doubled_or_out_of_order_is_found(room: Room) -> None:
    """Wherever it is missing; who has said something may be shown it or not."""
    *talkers, reader = room.people
    for talker in talkers:
        talker.taken = shown(range(SAID))
    reader.taken = shown(range(SAID))
    assert room.look() == Faults()
    for place, talker in enumerate(talkers):
        talker.taken = shown([number for number in range(SAID) if number % TALKERS != place])
    reader.taken = shown([0, 20, 10, *range(1, 10), *range(11, 20), *range(21, 38), 37])
    talkers[3].taken = shown(range(1, SAID))
    assert room.look() == Faults(lost=3, doubled=1, disordered=1)


def test_faults_are_told_in_words() -> None:
    """Only those that there are."""
    assert str(Faults()) == "none"
    assert str(Faults(lost=1200, disordered=1)) == "1,200 lost, 1 out of order"


def test_the_table_compares_with_clear_text() -> None:
    """Median to median, where clear text was measured."""
    clear = [Cost(joins, 5.0, 0.2, 80.0, Faults()) for joins in (900, 1000, 2000)]
    tls = [Cost(500, 15.0, 0.5, 81.0, Faults(doubled=2))]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table({"line": clear, "tls": tls}).splitlines()]
    assert cells[2][:3] == ["clear text", "1,000 (900 to 2,000)", "1.00"]
    assert cells[3] == ["TLS", "500", "0.50", "15", "3.00", "0.5", "2.50", "81", "1.01", "2 doubled"]
    assert "×" not in table({"tls": tls})


def test_choices_are_checked() -> None:
    """Ways are chosen by name, and somebody has to read."""
    assert options(["--ways", "line,tls"]).ways == ["line", "tls"]
    for wrong in (["--ways", "smoke"], ["--people", "10"]):
        with pytest.raises(SystemExit):
            options(wrong)
