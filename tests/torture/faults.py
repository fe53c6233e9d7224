"""What breaks under the daemon: its process, its disk, its clock, its descriptors, its memory."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

from daemons import ENVIRONMENT, TWISTD
from preload import set_clock

from torture.arena import ROOM, Arena
from torture.case import ABOUT_THE_DISK, DROPPED, KEPT, ORDINARY, USUAL, FellShort, Setup, case, expect
from torture.checker import Life, check
from torture.doors import DOORS, Door
from torture.machine import Machine
from torture.network import PATIENCE, Person, fresh_name
from torture.rounds import BAD_DISK, disk_rounds, fill, history_of, kill_rounds, small_disk
from torture.rounds import ROOM as ROUNDS
from torture.victim import Victim, kept


@contextmanager
def guest(victim: Victim, door: Door, room: str = ROUNDS) -> Iterator[Person]:
    """Somebody on a daemon of the case's own."""
    person = Person(door, victim.port)
    try:
        person.name = fresh_name()
        person.send(door.hello(person.name, room=room))
        person.wait_for("", "welcome")
        yield person
    finally:
        person.close()


@contextmanager
def daemon(state: Path, setup: Setup = USUAL) -> Iterator[Victim]:
    """A daemon of the case's own."""
    victim = Victim(state, setup)
    try:
        yield victim
    finally:
        if victim.alive:
            victim.end(signal.SIGKILL)


def word_on(person: Person, text: str, seconds: float = PATIENCE) -> str:
    """What somebody is told of a message that they say now: ``receipt`` or ``lost``."""
    before = len(person.heard)
    person.say(text)

    def told() -> list[str]:
        return [one.kind for one in person.heard[before:] if one.kind in ("receipt", "lost")]

    expect(person.until(told, seconds), f"nobody said what became of {text!r} within {seconds} s: {person.tail()}")
    return told()[0]


@case("T84", "kill -9 in mid-writing, 5 times, with programs that come back", "O", not_on=ABOUT_THE_DISK)
def killed(arena: Arena, door: Door) -> str:
    kill_rounds(5, arena.folder())
    return ORDINARY


@case("T84a", "it is ready again within 2 s of kill -9, and its database is sound", "O", not_on=ABOUT_THE_DISK)
def restarted(arena: Arena, door: Door) -> str:
    state = arena.folder()
    with daemon(state) as victim, guest(victim, door) as person:
        for number in range(100):
            person.say(f"x:{number}")
        person.wait_for("", "receipt")
        victim.end(signal.SIGKILL)
    begun = time.monotonic()
    with daemon(state) as victim:
        ready = time.monotonic() - begun - Machine(victim.pid).waited()
    expect(ready < 2, f"it took {ready:.1f} s")
    connection = sqlite3.connect(state / "chat.db")
    found = connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()
    expect(found == [("ok",)], f"the database is not sound: {found[:3]}")
    return ORDINARY


@case(
    "T85",
    "a receipt leaves after the flush of the write-ahead log has returned",
    "O",
    not_on=dict.fromkeys(("tls", "ssh"), "what is encrypted cannot be read in the trace"),
)
def flushed_before(arena: Arena, door: Door) -> str:
    state = arena.folder()
    trace = state / "trace"
    calls = ("strace", "-f", "-y", "-s", "400", "-e", "trace=pwrite64,fdatasync,sendto,send,write", "-o", str(trace))
    with daemon(state / "state", Setup(options=USUAL.options, before=calls)) as victim, guest(victim, door) as person:
        expect(word_on(person, "traced") == "receipt", "no receipt")
        subprocess.run(["pkill", "-TERM", "-P", str(victim.pid)], check=False)
        victim.process.wait(PATIENCE)
    lines = trace.read_text(errors="replace").splitlines()
    marks = ("I received your message - 'traced'", r"\"kept\":true", "@label=said;")
    sent = next(number for number, line in enumerate(lines) if "send" in line and any(mark in line for mark in marks))
    written = max(number for number, line in enumerate(lines[:sent]) if "pwrite64" in line and "chat.db-wal" in line)
    between = lines[written:sent]
    expect(any("fdatasync" in line and line.endswith("= 0") for line in between), "no flush stands before the receipt")
    return ORDINARY


@case("T86", "the power fails in mid-writing, 5 times: what was not flushed is lost", "O", not_on=ABOUT_THE_DISK)
def power_failed(arena: Arena, door: Door) -> str:
    kill_rounds(5, arena.folder(), power=True)
    return ORDINARY


@case("T87", "a full disk: talk goes on, senders are told, the room is told once, and it ends by itself", "O")
def full_disk(arena: Arena, door: Door) -> str:
    with small_disk(arena.folder(), 8 * 1024 * 1024) as disk, daemon(disk / "state") as victim:
        with guest(victim, door) as person, guest(victim, door) as reader:
            expect(word_on(person, "before") == "receipt", "no receipt while there was room")
            filler = fill(disk)
            words = [word_on(person, f"full {number} " + "x" * min(3000, door.longest - 20)) for number in range(8)]
            expect("lost" in words, "on a full disk, everything has a receipt")
            reader.wait_for("full 7", "said")
            filler.unlink()
            deadline = time.monotonic() + PATIENCE
            while word_on(person, fresh_name("again")) == "lost":
                expect(time.monotonic() < deadline, "there is room again, and still nothing is kept")
                reader.until(lambda: False, 0.3)
            reader.wait_for("History is back")
            turns = 1 + sum(pair == ("lost", "receipt") for pair in pairwise(words))
            for notice in (b"History has stopped", b"History is back"):
                came = reader.received.count(notice)
                expect(1 <= came <= turns, f"{notice!r} came {came} times, while the words were {words}")
            lost = words.count("lost")
            texts = [text for *_, text in kept(disk / "state")]
            expect(sum(text.startswith("full") for text in texts) == 8 - lost, "what was said not to be kept is kept")
        victim.end(signal.SIGTERM)
    return ORDINARY


@case("T87a", "full disks, 10 times, one of them with kill -9", "O", not_on=ABOUT_THE_DISK)
def full_disks(arena: Arena, door: Door) -> str:
    disk_rounds(10, arena.folder())
    return ORDINARY


@case("T88", "writes, and then flushes, that fail with EIO", "O")
def failing_writes(arena: Arena, door: Door) -> str:
    state = arena.folder()
    told: dict[str, str] = {}
    with daemon(state, BAD_DISK) as victim, guest(victim, door) as person:
        for fault in ("write", "sync"):
            told[f"{fault} before"] = word_on(person, f"{fault} before")
            victim.control.write_text(f"{fault} {errno.EIO}")
            for number in range(3):
                told[f"{fault} {number}"] = word_on(person, f"{fault} {number}")
            victim.control.unlink()
            deadline = time.monotonic() + PATIENCE
            while (word := word_on(person, text := fresh_name(f"{fault} again"))) == "lost":
                told[text] = word
                expect(time.monotonic() < deadline, "the disk is well again, and still nothing is kept")
            told[text] = word
            expect(told[f"{fault} 0"] == "lost", f"with failing {fault}, a receipt was given")
        victim.end(signal.SIGTERM)
    texts = {text for *_, text in kept(state)}
    for text, word in told.items():
        expect(word == "lost" or text in texts, f"{text!r} had a receipt, and is not kept")
        # After a failed flush nobody can know: what was written may be there, and come to light when the file is opened anew.
        expect(word == "receipt" or text not in texts or text.startswith("sync"), f"{text!r} was said not to be kept, and is")
    return ORDINARY


def locked(arena: Arena, door: Door, seconds: float) -> str:
    """Another process holds the database for so long."""
    person = arena.enter(door)
    holder = sqlite3.connect(arena.state / "chat.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    until, sent = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        person.say(f"locked {sent}")
        arena.shown(person.name, f"locked {sent}")
        sent += 1
        person.until(lambda: False, 0.2)
    holder.execute("ROLLBACK")
    holder.close()

    def told() -> int:
        return sum(one.kind in ("receipt", "lost") for one in person.heard) - 1

    expect(person.until(lambda: told() >= sent, 30), f"of {sent} messages, the fate of {sent - told()} was never told")
    expect(word_on(person, "unlocked") == "receipt", "after the lock is gone, nothing is kept")
    return ORDINARY


@case("T89", "the database locked by another process for 8 s: talk goes on", "O")
def locked_shortly(arena: Arena, door: Door) -> str:
    return locked(arena, door, 8.0)


@case("T89a", "the database locked by another process for a minute", "O", long=True)
def locked_for_a_minute(arena: Arena, door: Door) -> str:
    return locked(arena, door, 60.0)


def truncate(state: Path) -> None:
    """Cut the database in half."""
    path = state / "chat.db"
    os.truncate(path, path.stat().st_size // 2)


def overwrite(offset: int, data: bytes) -> Callable[[Path], None]:
    """Put these bytes there."""

    def damage(state: Path) -> None:
        with (state / "chat.db").open("r+b") as file:
            file.seek(offset)
            file.write(data)

    return damage


def newer(state: Path) -> None:
    """Let the schema be of a later version."""
    connection = sqlite3.connect(state / "chat.db")
    connection.execute("PRAGMA user_version = 9999")
    connection.close()


def replaced(state: Path) -> None:
    """A folder stands where the database was."""
    (state / "chat.db").unlink()
    (state / "chat.db").mkdir()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "truncated": truncate,
    "its header is zeros": overwrite(0, bytes(100)),
    "a page is garbage": overwrite(8192, os.urandom(4096)),
    "a byte is flipped in its first page": overwrite(100, b"\xee"),
    "its shared memory is garbage": lambda state: (state / "chat.db-shm").write_bytes(os.urandom(32768)) and None,
    "its write-ahead log is garbage": lambda state: (state / "chat.db-wal").write_bytes(os.urandom(32768)) and None,
    "a folder": replaced,
    "of a later version": newer,
}


@case(
    "T90", "a damaged, foreign or newer database at the start: refused in one line, or all there", "KO", not_on=ABOUT_THE_DISK
)
def damaged(arena: Arena, door: Door) -> str:
    good = arena.folder() / "good"
    with daemon(good) as victim, guest(victim, door) as person:
        for number in range(150):
            person.say(f"x:{number}")
        expect(person.until(lambda: sum(one.kind == "receipt" for one in person.heard) == 150), "no receipts")
        victim.end(signal.SIGTERM)
    expect(len(kept(good)) == 150, "not all is kept")

    def start(name: str) -> str:
        state = arena.folder() / "state"
        shutil.copytree(good, state)
        DAMAGES[name](state)
        victim = Victim(state, ready=False)
        try:
            victim.wait_for(rb"Server is listening")
        except FellShort:
            status, lines = victim.process.wait(PATIENCE), victim.output.decode().splitlines()
            expect(status, f"where it is {name}, the status is 0")
            expect(len(lines) == 1, f"where it is {name}, it says {lines[-3:]}")
            return KEPT
        victim.end(signal.SIGTERM)
        expect(len(kept(state)) == 150, f"where it is {name}, it starts with {len(kept(state))} of 150 messages")
        return ORDINARY

    return arena.each(DAMAGES, "KO", start)


@case("T91", "SIGTERM, six times, while people write: what was read is receipted, all are told, and it ends within 5 s", "O")
def terminated(arena: Arena, door: Door) -> str:
    state = arena.folder()
    life = Life()
    with daemon(state) as victim, ExitStack() as guests:
        people = [guests.enter_context(guest(victim, door)) for _ in range(5)]
        for person in people:
            life.sent.extend((person.name, number) for number in range(35))
            person.send(b"".join(door.say(f"{person.name}:{number}") for number in range(35)))
        people[0].wait_for("", "receipt")
        begun = time.monotonic()
        for _ in range(5):
            victim.process.send_signal(signal.SIGTERM)
        status = victim.end(signal.SIGTERM)
        expect(status in (0, -signal.SIGTERM), f"the status is {status}")
        expect(time.monotonic() - begun < 6, f"it took {time.monotonic() - begun:.1f} s")
        expect(people[0].until(lambda: all(person.closed for person in people)), "a connection is open still")
    for person in people:
        expect("shutting down" in bytes(person.received[-400:]).decode(), f"{person.name} was not told: {person.tail()}")
        words = [one for one in person.heard if one.kind == "receipt"]
        life.receipts.extend(((person.name, number), one.seq) for number, one in enumerate(words))
    breaches = check([life], history_of(state))
    expect(not breaches, "; ".join(breaches[:5]))
    expect(b"Traceback" not in victim.output, f"there is a traceback: {victim.output[-600:].decode()}")
    return ORDINARY


@case("T92", "stopped for 3 s (SIGSTOP), as a laptop that sleeps", "O", checks="BCDEFGH")
def stopped(arena: Arena, door: Door) -> str:
    return stop_for(arena, door, 3.0)


@case("T92a", "stopped for 70 s: nobody is taken for dead or too slow", "O", long=True, checks="BCDEFGH")
def stopped_long(arena: Arena, door: Door) -> str:
    return stop_for(arena, door, 70.0)


def stop_for(arena: Arena, door: Door, seconds: float) -> str:
    """Stop the process for so long."""
    person, nameless = arena.enter(door), arena.connect(door)
    nameless.send(door.opening[:1])
    arena.victim.process.send_signal(signal.SIGSTOP)
    person.say("while it slept")
    person.until(lambda: False, seconds)
    arena.victim.process.send_signal(signal.SIGCONT)
    arena.shown(person.name, "while it slept")
    expect(not nameless.until(lambda: nameless.closed, 1.0), "whoever had no name yet was sent away")
    return ORDINARY


SET_CLOCK = Setup(options=USUAL.options, preload="clock")


@case(
    "T93",
    "the clock is set an hour forward, two back, and to 1970: nobody is dropped, and order is kept",
    "O",
    setup=SET_CLOCK,
)
def clock_steps(arena: Arena, door: Door) -> str:
    person, nameless = arena.enter(door), arena.connect(door)
    nameless.send(door.opening[:1])
    texts = []
    for step in (3600, -3600, -int(time.time()) + 86400, 0):
        set_clock(arena.victim.control, step)
        texts.append(f"at {step}")
        expect(word_on(person, texts[-1]) == "receipt", "no receipt")
        silent = arena.connect(door if door.name == "tls" else DOORS["line"])  # whom the grace's timer greets
        expect(silent.until(lambda s=silent: b"Welcome" in s.received, 3), f"at {step} a timer is stuck")
        silent.close()
    rows = [text for *_, text in arena.victim.kept(arena.begun.seq) if text in texts]
    expect(rows == texts, f"the order is {rows}")
    connection = sqlite3.connect(arena.state / "chat.db")
    years = connection.execute("SELECT min(strftime('%Y', time, 'unixepoch')) FROM messages").fetchall()
    connection.close()
    expect(years == [("1970",)], f"no clock was set: the earliest year is {years}")
    expect(not nameless.closed, "whoever had no name yet was sent away")
    return ORDINARY


FEW_DESCRIPTORS = Setup(options=USUAL.options, before=("prlimit", "--nofile=64:64"))


@case("T95", "64 descriptors, and 200 clients: the others are told, and talk goes on", "D", setup=FEW_DESCRIPTORS)
def few_descriptors(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    people = [arena.connect(door) for _ in range(200)]
    for one in people:
        one.send(door.hello(fresh_name(), room=ROOM))

    def settled() -> bool:
        return all(one.closed or any(line.kind in ("welcome", "error") for line in one.heard) for one in people)

    expect(person.until(settled), "some were neither let in nor sent away")
    refused = [one for one in people if one.closed]
    expect(refused, "all were let in")
    without = sum(not any(line.kind == "error" for line in one.heard) for one in refused)
    expect(not without, f"{without} of {len(refused)} were sent away without a word")
    expect(word_on(person, "still here") == "receipt", "nothing is kept any more")
    arena.part([person, *people])
    return DROPPED


LITTLE_MEMORY = Setup(options=USUAL.options, before=("prlimit", "--as=536870912"))


@case("T96", "512 MiB of address space, and 600 clients who send and don't read", "DO", setup=LITTLE_MEMORY, checks="ABDEFGH")
def little_memory(arena: Arena, door: Door) -> str:
    people = []
    for _ in range(600):
        person = arena.connect(door, receive_buffer=4096, listens=False)
        person.socket.settimeout(0.05)
        person.send(door.hello(person.name or fresh_name(), room="#memory") + door.command("/history 500") * 5)
        person.send(door.opening + b"x" * 16000)
        people.append(person)
    expect(arena.victim.alive, "it has ended")
    for person in people:
        person.listen()
    dropped = people[0].until(lambda: any(person.closed for person in people), 1.0)
    return DROPPED if dropped else ORDINARY


@case("T97", "a second daemon on the same state, or the same port", "O", not_on=ABOUT_THE_DISK)
def second_daemon(arena: Arena, door: Door) -> str:
    for options in ([f"--state={arena.state}", "--port=0"], [f"--state={arena.folder()}", f"--port={arena.victim.port}"]):
        done = subprocess.run(
            [*TWISTD, "-n", "--pidfile=", "chat", "--host=127.0.0.1", *options],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        expect(done.returncode, "it started")
        expect(len((done.stdout + done.stderr).splitlines()) == 1, f"it said {done.stdout + done.stderr}")
    return arena.outcome_of_saying(door, "unharmed")
