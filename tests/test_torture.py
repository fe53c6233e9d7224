"""The short form of ``python tests/torture``: each case on each door is a test of that name.

In TLS, SSH and WebSockets it is one a subject. They take a few minutes together, and load the machine: ``pytest -m torture``
runs them, a plain ``pytest`` does not.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import ENVIRONMENT, PATIENCE
from torture.case import Case
from torture.doors import DOORS
from torture.run import Runner, all_cases

pytestmark = pytest.mark.torture

# In TLS, SSH and WebSockets it is the same words through one more layer: of each subject the case that depends on it most,
# and what is the layer's own. All of them would take minutes more; ``python tests/torture --door tls,ssh,web`` runs them.
LAYERED = ("T11", "T17", "T26", "T35", "T52", "T66", "T76", "T101")

SHORT = [
    pytest.param(case, door, id=f"{case.number}-{door}-{case.what}")
    for case in all_cases()
    if not case.long
    for door in DOORS
    if case.applies(door)
    and (door not in ("tls", "ssh", "web") or case.number in LAYERED or case.subject in ("sessions", "web"))
]

# A harness that starts a daemon, says which, and waits for its input to end.
HARNESS = "import sys; from torture.victim import Victim; print(Victim(sys.argv[1]).pid, flush=True); sys.stdin.read()"


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


def test_no_daemon_outlives_its_harness(tmp_path: Path) -> None:
    """Where the harness is killed, so is the daemon."""
    command = [sys.executable, "-c", HARNESS, str(tmp_path / "state")]
    folder = Path(__file__).parent
    with subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as harness:
        assert harness.stdout is not None
        daemon = os.pidfd_open(int(harness.stdout.readline()))
        harness.send_signal(signal.SIGKILL)
    try:
        assert select.select([daemon], [], [], PATIENCE)[0], "it runs on"
    finally:
        os.close(daemon)
