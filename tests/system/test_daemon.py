"""A real ``twistd chat``, talked to with real programs."""

import json
import os
import re
import signal
import socket
import sqlite3
import struct
import subprocess
import time
from pathlib import Path

import pytest
from daemons import CLIENT, ENVIRONMENT, OPEN, PATIENCE, TWISTD, Daemon, Talker, program, running

# How many times the daemon is killed in mid-writing; the long form sets it.
KILLS = int(os.environ.get("CHAT_KILLS", "5"))


def test_transcript_of_the_original(tmp_path: Path) -> None:
    """One person alone with nc sees the original program's words, and nothing else."""
    with running(tmp_path) as daemon:
        nc = subprocess.run(
            [program("nc"), "127.0.0.1", str(daemon.port)],
            input=b"Simran\nHello\nexit\n",
            stdout=subprocess.PIPE,
            timeout=PATIENCE,
        )
        assert nc.stdout.decode().splitlines() == [
            "Welcome to the chat server! What's your name?",
            "Hello Simran, you are now connected!",
            "Server: I received your message - 'Hello'",
        ]
        daemon.wait_for(r"\[NEW CONNECTION\] \('127\.0\.0\.1', \d+\) connected\.")
        daemon.wait_for(r"\[Simran\] Disconnected\.")


def test_exit_stops_the_server_where_asked_for(tmp_path: Path) -> None:
    """With --exit-stops-server, exit ends the daemon with status 0, and the others are told."""
    with running(tmp_path, "--exit-stops-server") as daemon:
        bob, simran = Talker(daemon.port, "Bob"), Talker(daemon.port, "Simran")
        simran.say("exit")
        assert "Server is shutting down" in bob.rest()
        assert daemon.status() == 0
        assert "[SERVER] Shutting down..." in daemon.output


def test_half_close_gets_every_receipt(tmp_path: Path) -> None:
    """Input that ends, without a last line end even, is said and receipted before the connection closes."""
    with running(tmp_path) as daemon:
        nc = subprocess.run(
            [program("nc"), "-N", "127.0.0.1", str(daemon.port)],
            input=b"bob\nhi\nyo",
            stdout=subprocess.PIPE,
            timeout=PATIENCE,
        )
        assert nc.stdout.decode().splitlines()[-2:] == [
            "Server: I received your message - 'hi'",
            "Server: I received your message - 'yo'",
        ]


def test_telnets_urgent_data_spoils_no_line(tmp_path: Path) -> None:
    """Telnet's Synch, with its IAC or its DM as TCP's urgent byte, is passed over like any command."""
    with running(tmp_path) as daemon:
        ann = Talker(daemon.port)
        ann.socket.sendall(b"\xff\xf1Ann\n")
        greeted = b""
        while not greeted.endswith(b"you are now connected!\r\n"):
            greeted += ann.socket.recv(4096)
        for before, urgent, after in ((b"", b"\xff", b"\xf2hello\n"), (b"\xff", b"\xf2", b"hello\n")):
            ann.socket.sendall(before)
            ann.socket.send(urgent, socket.MSG_OOB)
            ann.socket.sendall(after)
            ann.until("I received your message - 'hello'")


def test_everybody_sees_one_order(tmp_path: Path) -> None:
    """Two people speak at once: telnet, nc and the bundled client see the same messages in the same order."""
    with running(tmp_path, "--limits=off") as daemon:
        place = ["127.0.0.1", str(daemon.port)]
        pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        telnet = subprocess.Popen([program("telnet"), *place], **pipe)
        nc = subprocess.Popen([program("nc"), *place], **pipe)
        client = subprocess.Popen([*CLIENT, ":".join(place), "--name", "Cleo"], env=ENVIRONMENT, **pipe)
        watcher = Talker(daemon.port, "Watcher")
        for process, name in ((telnet, b"Tina\n"), (nc, b"Nina\n")):
            process.stdin.write(name)
            process.stdin.flush()
        for name in ("Tina", "Nina", "Cleo"):
            if f"* {name} joined" not in watcher.seen.decode():
                watcher.say("/who")
        names: set[str] = set()
        while not {"Tina", "Nina", "Cleo"} <= names:
            watcher.say("/who")
            names = set(re.findall(r"\w+", watcher.until("In #lobby: ") and watcher.until("\r\n")))
        ann, ben = Talker(daemon.port, "Ann"), Talker(daemon.port, "Ben")
        for number in range(100):
            ann.say(f"a{number}")
            ben.say(f"b{number}")
        ann.say("done")
        orders = []
        watched = watcher.until("> done")
        while "b99" not in watched:
            watched += watcher.until("\r\n")
        orders.append(spoken(watched))
        for process in (telnet, nc, client):
            output = ""
            while "<Ann> done" not in output or "> b99" not in output:
                output += process.stdout.readline().decode()
            orders.append(spoken(output))
            process.kill()
            process.communicate()
        assert len(orders[0]) == 201
        assert orders.count(orders[0]) == 4


def spoken(output: str) -> list[str]:
    """What Ann and Ben said, in the order in which it came."""
    return re.findall(r"<(?:Ann|Ben)> (\w+)", output)


def test_client_in_a_pipe_says_it_all(tmp_path: Path) -> None:
    """Lines piped into the bundled client are in the history, and its exit status is 0."""
    with running(tmp_path) as daemon:
        lines = "".join(f"line {number}\n" for number in range(300))
        place = f"127.0.0.1:{daemon.port}"
        done = subprocess.run(
            [*CLIENT, "--name", "build", "--room", "#ci", place],
            input=lines,
            text=True,
            env=ENVIRONMENT,
            timeout=PATIENCE,
        )
        assert done.returncode == 0
        daemon.end()
        assert [text for _, _, text in kept(tmp_path)] == lines.splitlines()


def test_client_says_that_nobody_is_there(tmp_path: Path) -> None:
    """Where nothing listens, the piped client ends with a status other than 0, and one line."""
    done = subprocess.run(
        [*CLIENT, "--name", "build", "127.0.0.1:1"],
        input="x\n",
        text=True,
        env=ENVIRONMENT,
        capture_output=True,
        timeout=PATIENCE,
    )
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1


def kept(state: Path) -> list[tuple[int, str, str]]:
    """What the log on disk holds: (number, author, text)."""
    connection = sqlite3.connect(state / "chat.db")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return connection.execute("SELECT seq, author, text FROM messages ORDER BY seq").fetchall()
    finally:
        connection.close()


def test_sigterm_is_over_though_a_peer_never_reads(tmp_path: Path) -> None:
    """SIGTERM: what was read is receipted, everybody is told, and a peer that takes nothing is cut off in time."""
    with running(tmp_path, "--limits=off") as daemon:
        stuck = socket.socket()
        OPEN.append(stuck)
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", daemon.port))
        stuck.sendall(b"Stuck\n")
        simran = Talker(daemon.port, "Simran")
        simran.say("/who")
        while "Stuck" not in simran.until("In #lobby: ") + simran.until("\r\n"):
            simran.say("/who")
        for _ in range(200):
            simran.say("x" * 4000)
        simran.say("last words")
        bob = Talker(daemon.port, "Bob")
        bob.until("last words")
        begun = time.monotonic()
        assert daemon.end() == -signal.SIGTERM
        assert time.monotonic() - begun < 6
        assert "Server is shutting down" in bob.rest()
        assert kept(tmp_path)[-1][2] == "last words"


def test_more_signals_neither_cut_a_shutdown_short_nor_litter_the_log(tmp_path: Path) -> None:
    """SIGTERM, SIGTERM and SIGINT while what was said waits for the disk: it is receipted, and the first counts."""
    with running(tmp_path) as daemon:
        simran, bob = Talker(daemon.port), Talker(daemon.port, "Bob")
        simran.ask(type="hello", name="Simran")
        simran.until('"type":"joined"')
        other = sqlite3.connect(tmp_path / "chat.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        simran.ask(type="say", text="last words")
        bob.until("last words")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.wait_for("Shutting down\\.")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.wait_for("Shutting down already")
        daemon.process.send_signal(signal.SIGINT)
        daemon.wait_for("(?s)Shutting down already.*Shutting down already")
        other.execute("ROLLBACK")
        other.close()
        assert daemon.status() == -signal.SIGTERM
        assert '"kept":true' in simran.rest()
        assert "Server is shutting down" in bob.rest()
        assert "Traceback" not in daemon.output
        assert kept(tmp_path)[-1][2] == "last words"


def test_killed_while_writing_it_loses_no_receipted_message(tmp_path: Path) -> None:
    """After kill -9 every receipted message is in the log once, and no number is used twice."""
    receipts: dict[int, str] = {}
    numbers: set[int] = set()
    for life in range(KILLS):
        with running(tmp_path, "--limits=off") as daemon:
            talker = Talker(daemon.port)
            talker.ask(type="hello", name="Al", rooms={"#lobby": None})
            talker.until('"type":"joined"')
            for number in range(400):
                talker.ask(type="say", id=f"{life}-{number}", text=f"{life}-{number}")
            for _ in range(20 + 17 * life % 200):
                talker.until('"type":"receipt"')
            daemon.end(signal.SIGKILL)
            lines = (talker.seen + drain(talker)).splitlines()
        shown = [json.loads(line) for line in lines if line.startswith(b'{"type":"said"') and line.endswith(b"}")]
        assert numbers.isdisjoint(event["seq"] for event in shown)
        numbers.update(event["seq"] for event in shown)
        for line in lines:
            if line.startswith(b'{"type":"receipt"') and line.endswith(b"}"):
                receipt = json.loads(line)
                receipts[receipt["seq"]] = receipt["id"]
    found = {seq: text for seq, _, text in kept(tmp_path)}
    assert receipts
    assert receipts.items() <= found.items()
    assert len(set(found.values())) == len(found)


def drain(talker: Talker) -> bytes:
    """What a dead server had sent still."""
    data = b""
    try:
        while piece := talker.socket.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    talker.close()
    return data


def test_receipt_is_written_after_the_flush(tmp_path: Path) -> None:
    """In the trace of system calls, the WAL's fdatasync has returned before the receipt is sent."""
    trace = tmp_path / "trace"
    strace = (
        program("strace"),
        "-f",
        "-y",
        "-s",
        "400",
        "-e",
        "trace=pwrite64,fdatasync,sendto,send",
        "-o",
        str(trace),
    )
    daemon = Daemon(str(tmp_path / "state"), before=strace)
    talker = Talker(daemon.port, "Simran")
    talker.say("Hello")
    talker.until("I received your message - 'Hello'")
    talker.say("exit")
    talker.rest()
    daemon.process.terminate()
    subprocess.run(["pkill", "-TERM", "-P", str(daemon.process.pid)], check=False)
    daemon.status()
    calls = trace.read_text(errors="replace").splitlines()
    sent = next(number for number, call in enumerate(calls) if "I received your message - 'Hello'" in call)
    written = max(number for number, call in enumerate(calls[:sent]) if "pwrite64" in call and "chat.db-wal" in call)
    assert any("fdatasync" in call and call.endswith("= 0") for call in calls[written:sent])


def test_cut_off_twenty_times_each_message_is_there_once(tmp_path: Path) -> None:
    """A program that resets its connection in mid-conversation, and sends again what was not receipted, has said it once."""
    with running(tmp_path, "--limits=off") as daemon:
        unreceipted: dict[str, None] = dict.fromkeys(f"m{number}" for number in range(400))
        for _ in range(20):
            talker = Talker(daemon.port)
            talker.ask(type="hello", name="Al", client="secret")
            talker.until('"type":"people"')
            for message in unreceipted:
                talker.ask(type="say", id=message, text=message, again=True)
            for _ in range(10):
                talker.until('"type":"receipt"')
                unreceipted.pop(json.loads('{"type":"receipt"' + talker.until("}"))["id"])
            talker.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            talker.close()
        talker = Talker(daemon.port)
        talker.ask(type="hello", name="Al", client="secret")
        for message in unreceipted:
            talker.ask(type="say", id=message, text=message, again=True)
        for _ in unreceipted:
            talker.until('"type":"receipt"')
        daemon.end()
    assert sorted(text for _, _, text in kept(tmp_path)) == sorted(f"m{number}" for number in range(400))


@pytest.mark.parametrize("foreground", [(), ("-n",)])
def test_what_prevents_the_start_is_one_line(tmp_path: Path, foreground: tuple[str, ...]) -> None:
    """A port that is taken, a state in use, a damaged log: one line on the terminal, a status, and nothing touched."""
    with running(tmp_path / "used") as daemon:
        damaged = tmp_path / "damaged"
        damaged.mkdir()
        (damaged / "chat.db").write_bytes(b"no database")
        cases = [
            (["--host=127.0.0.1", f"--port={daemon.port}", f"--state={tmp_path / 'new'}"], "Address already in use"),
            (["--port=0", f"--state={tmp_path / 'used'}"], "Another daemon"),
            (["--port=0", f"--state={damaged}"], "damaged"),
            (["--port=many"], "--port takes a number"),
        ]
        folder = tmp_path / "started"
        folder.mkdir()
        for options, words in cases:
            done = subprocess.run(
                [*TWISTD, *foreground, "chat", *options],
                env=ENVIRONMENT,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
            assert done.returncode != 0
            assert len((done.stdout + done.stderr).splitlines()) == 1
            assert words in done.stderr
        assert not (tmp_path / "new").exists()
        assert not list(folder.iterdir())
        assert (damaged / "chat.db").read_bytes() == b"no database"
        Talker(daemon.port, "Simran").close()
