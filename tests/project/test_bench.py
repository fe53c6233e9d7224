"""What the benchmarks make of what was measured. No server is started for it."""

import json
from dataclasses import asdict, replace
from xml.etree import ElementTree

import pytest

from bench.__main__ import options
from bench.figures import Run, disturbed, figure, load_limited, parse, ratio
from bench.picture import svg
from bench.report import Result, aligned, amount, table
from bench.scenarios import SCENARIOS, Case, Scenario
from bench.servers import SERVERS

RUN = Run(
    people=200,
    window=2.0,
    seconds_in=0.5,
    base_kib=40_000,
    memory_kib=41_000,
    most_kib=42_000,
    sent=1000,
    deliveries=200_000,
    bytes=16_600_000,
    receipts=0,
    lost=0,
    doubled=0,
    disordered=0,
    closed=0,
    strays=0,
    stray="",
    latency_p50_ns=1_500_000,
    latency_p99_ns=4_000_000,
    latency_max_ns=9_000_000,
    receipt_p50_ns=0,
    receipt_p99_ns=0,
    receipt_max_ns=0,
    talkers=10,
    served=1000,
    fewest=80,
    most=120,
    stalled_got=0,
    stalled_closed=0,
    server_cpu=0.5,
    load_cpu=0.2,
    others_cpu=0.01,
    came_in=200,
)


def printed(run: Run) -> str:
    """A run as the load prints it."""
    numbers = asdict(run)
    numbers["in"] = numbers.pop("came_in")
    return json.dumps(numbers)


def test_what_the_load_prints_is_read() -> None:
    """A run comes back as it was; one with a number missing, or one too many, is refused."""
    assert parse(printed(RUN)) == RUN
    for wrong in ("[]", "{}", json.dumps(json.loads(printed(RUN)) | {"more": 1})):
        with pytest.raises(ValueError, match="not a run"):
            parse(wrong)


def test_figures_are_medians_with_their_spread() -> None:
    """Three runs give the middle one, and the ends."""
    runs = [replace(RUN, server_cpu=cpu) for cpu in (0.9, 0.5, 0.6)]
    found = figure(runs, "cpu_us")
    assert found is not None
    assert (found.median, found.least, found.most) == pytest.approx((3.0, 2.5, 4.5))
    assert figure(runs, "receipt_ms") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("rate", 100_000), ("bytes", 83), ("p50_ms", 1.5), ("joins", 400), ("kib_each", 5), ("fewest", 80), ("most", 120)],
)
def test_figures_of_one_run(name: str, value: float) -> None:
    """Each in its unit."""
    found = figure([RUN], name)
    assert found is not None
    assert found.median == pytest.approx(value)


def test_a_run_without_deliveries_has_no_rate() -> None:
    """Idle people give figures of memory, and none a delivery."""
    idle = replace(RUN, deliveries=0, latency_p50_ns=0, served=0)
    assert [figure([idle], name) for name in ("rate", "cpu_us", "p50_ms", "fewest")] == [None] * 4
    assert figure([idle], "kib_each") is not None


def test_a_rate_is_marked_where_the_load_was_the_limit() -> None:
    """85 % of its core is still the server's rate; more is not."""
    assert not load_limited([replace(RUN, load_cpu=1.7)])
    assert load_limited([replace(RUN, load_cpu=1.71)])
    assert not disturbed([replace(RUN, others_cpu=0.2)])
    assert disturbed([replace(RUN, others_cpu=0.21)])


def test_ratios_are_of_medians() -> None:
    """A third of the CPU time is a third; without a reference there is no ratio."""
    assert ratio([RUN], [replace(RUN, server_cpu=1.5)], "cpu_us") == pytest.approx(1 / 3)
    assert ratio([RUN], [], "cpu_us") is None


def test_faults_are_told_in_words() -> None:
    """Only those that there are."""
    assert RUN.faults == ""
    assert replace(RUN, lost=1200, came_in=199).faults == "1,200 lost, 1 not in"


def test_the_table_says_what_is_missing_and_what_was_at_fault() -> None:
    """Every server has its row: its figures, or why there are none. Columns in which nobody has anything are left out."""
    scenario = Scenario("talk", ("chat", "ngircd", "limit"), (Case("", people=200, talkers=10, window=32),))
    result = Result(scenario)
    result.runs["", "chat"] = [RUN, replace(RUN, doubled=3), RUN]
    result.runs["", "limit"] = [replace(RUN, load_cpu=1.9, server_cpu=0.25)]
    result.failures["", "ngircd"] = "ngircd is not installed"
    heads, _, chat, ngircd, limit = (line.split("|")[1:-1] for line in table(result).splitlines())
    rows = [dict(zip(map(str.strip, heads), map(str.strip, row), strict=True)) for row in (chat, ngircd, limit)]
    assert rows[0]["faults"] == "3 doubled, in 1 of 3 runs"
    assert rows[1]["faults"] == "ngircd is not installed"
    assert (rows[0]["deliveries/s"], rows[2]["deliveries/s"]) == ("100 k", "100 k L")
    assert (rows[0]["vs chat"], rows[2]["vs chat"]) == ("1.00", "0.50")
    assert "receipt p50 ms" not in rows[0]


def test_tables_are_aligned() -> None:
    """Each line is as long as the others."""
    lines = aligned([["server", "empty", "x"], ["a", "", "1"], ["longer name", "", "22"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "empty" not in lines[0]


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0351, "0.0351"), (17.04, "17"), (1980, "1,980"), (86_800, "86.8 k"), (15_900_000, "15.9 M")]
)
def test_amounts_have_three_digits(value: float, shown: str) -> None:
    """More would say more than is known."""
    assert amount(value) == shown


def test_the_picture_is_svg_with_a_bar_for_each_server() -> None:
    """The longest bar is the dearest server's."""
    result = Result(SCENARIOS["a"])
    result.runs["", "chat"] = [RUN]
    result.runs["", "limit"] = [replace(RUN, server_cpu=0.1)]
    shapes = ElementTree.fromstring(svg({"a": result}))
    _, *bars = shapes.findall("{http://www.w3.org/2000/svg}rect")
    lengths = [float(bar.attrib["width"]) for bar in bars]
    assert len(lengths) == 2
    assert lengths[0] > lengths[1] > 0


def test_scenarios_name_servers_that_there_are() -> None:
    """And each case's command line says how many come in at a time."""
    for scenario in SCENARIOS.values():
        assert set(scenario.servers) <= set(SERVERS)
        for case in scenario.cases:
            arriving = case.people if case.together else 8
            assert f"--arriving={arriving}" in case.arguments(1.0, 8)


def test_choices_are_checked() -> None:
    """Scenarios and servers are chosen by name."""
    assert options(["--scenario", "a,c", "--servers", "chat"]).scenario == ["a", "c"]
    with pytest.raises(SystemExit):
        options(["--scenario", "z"])
