"""The torture's canary tells a daemon that lets people wait from a machine that is busy with other things."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from daemons import PATIENCE
from torture.arena import CanaryProcess
from torture.machine import Machine
from torture.victim import Victim


def test_a_daemon_that_halts_for_half_a_second_is_seen(tmp_path: Path) -> None:
    """Whatever else the machine does: a daemon that does nothing has not waited for a processor."""
    victim = Victim(tmp_path / "state")
    canary = CanaryProcess(victim, ["line", "json"])
    try:
        canary.report()
        victim.process.send_signal(signal.SIGSTOP)
        waking = threading.Timer(0.5, victim.process.send_signal, [signal.SIGCONT])
        waking.start()
        report = canary.report()
        waking.join()
    finally:
        canary.end()
        victim.end(signal.SIGKILL)
    assert not report["lost"]
    assert 0.25 < report["p99"] <= report["worst"]


def test_to_wait_for_a_processor_is_counted_and_to_sleep_is_not() -> None:
    """Of two processes that compute on one processor, one always waits; of one that sleeps, none."""
    processor = min(os.sched_getaffinity(0))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    idle = subprocess.Popen(["sleep", "60"])
    try:
        for process in busy:
            os.sched_setaffinity(process.pid, [processor])
        computing, sleeping = Machine(*(process.pid for process in busy)), Machine(idle.pid)
        begun, waited = time.monotonic(), computing.waited()
        while computing.waited() - waited < 0.1:
            assert time.monotonic() - begun < PATIENCE
        assert sleeping.waited() < 0.1
    finally:
        for process in (*busy, idle):
            process.kill()
            process.wait()
