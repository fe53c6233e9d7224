"""Listening waits for nothing that can be loaded later; and that is loaded before long, not when somebody asks for it."""

import subprocess
import sys
from pathlib import Path

import pytest
from daemons import CHECKOUT, ENVIRONMENT, PATIENCE, program
from twisted.internet.task import Clock

from twisted_chat.daemon.warmup import LOADING_SECONDS, Loading

# With these it would take half as long again.
HEAVY = {
    "h11",
    "prompt_toolkit",
    "twisted.conch.ssh.transport",
    "twisted.web.http",
    "twisted_chat.protocols.irc.protocol",
    "twisted_chat.protocols.ssh.factory",
    "twisted_chat.protocols.web.site",
}
# Loaded only if an option asks for it.
ASKED_FOR = {"prometheus_client", "twisted.internet.endpoints"}
IMPORTS = f"""
import gc, sys
import twisted_chat.tap
from twisted_chat.core.text.confusables import prototypes
loaded = {HEAVY | ASKED_FOR} & sys.modules.keys()
assert not loaded, loaded
assert not prototypes.cache_info().currsize
assert gc.get_threshold()[0] > 10_000
"""
# twistd, which ends as soon as it has loaded all, with this status if all is there.
FOUND = 77
RUNS = f"""
import gc, os, sys
from twisted.scripts.twistd import run
from twisted_chat.daemon import resources
from twisted_chat.core.text.confusables import prototypes
freeze = resources.keep_what_is_there
def look():
    freeze()
    there = {HEAVY} <= sys.modules.keys() and prototypes.cache_info().currsize
    os._exit({FOUND} if there and gc.get_freeze_count() > 50_000 else 1)
resources.keep_what_is_there = look
run()
"""

OPENS = """
from pathlib import Path
from twisted_chat.storage.sqlite.database import Database
database = Database(Path("new"))
database.claim()
database.open(1000)
"""


def test_what_takes_long_is_not_loaded_to_listen() -> None:
    """What twistd imports for `chat`; and no time is spent on looking for garbage in it."""
    done = subprocess.run([sys.executable, "-c", IMPORTS], env=ENVIRONMENT, cwd=CHECKOUT, capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


def test_all_is_loaded_before_it_is_asked_for_and_stays(tmp_path: Path) -> None:
    """Nobody comes in, and yet it is there; and the garbage collector never looks at it again."""
    command = [sys.executable, "-c", RUNS, "-n", "--pidfile=", "chat", "--port=0", "--host=127.0.0.1", f"--state={tmp_path}"]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, timeout=PATIENCE)
    assert done.returncode == FOUND, done.stdout + done.stderr


def test_the_first_start_does_not_wait_for_a_flush_a_table(tmp_path: Path) -> None:
    """A disk that takes 10 ms for one would take as long for a new log as all the rest, several times over."""
    trace = [program("strace"), "-f", "-e", "trace=fsync,fdatasync", sys.executable, "-c", OPENS]
    done = subprocess.run(trace, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert 4 < done.stderr.count("sync(") < 30, done.stderr


def test_one_thing_is_loaded_at_a_time() -> None:
    """So that the others' lines come in between; and what fails stops nothing."""
    clock, loaded = Clock(), list[str]()
    loading = Loading(clock, [lambda: loaded.append("a"), lambda: 1 // 0, lambda: loaded.append("b")])
    loading.start()
    assert not loaded
    clock.advance(LOADING_SECONDS)
    assert loaded == ["a"]
    with pytest.raises(ZeroDivisionError):
        clock.advance(LOADING_SECONDS)
    clock.pump([LOADING_SECONDS] * 2)
    assert loaded == ["a", "b"]
    assert not clock.getDelayedCalls()


def test_who_shuts_down_loads_no_more() -> None:
    """However often, and whenever."""
    clock, loaded = Clock(), list[str]()
    loading = Loading(clock, [lambda: loaded.append("a"), lambda: loaded.append("b")])
    loading.stop()
    loading.start()
    clock.advance(LOADING_SECONDS)
    loading.stop()
    loading.stop()
    clock.advance(LOADING_SECONDS)
    assert loaded == ["a"]
    assert not clock.getDelayedCalls()
