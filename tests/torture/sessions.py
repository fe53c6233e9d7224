"""SSH's own: who one says one is, and what may be asked for besides a session."""

import struct
from collections.abc import Callable

from torture.arena import Arena
from torture.case import DROPPED, IGNORED, KEPT, ORDINARY, FellShort, case, expect
from torture.doors import DOORS, Door
from torture.network import connected, fresh_name
from torture.ssh import PROMPT, SecureShell

NOT_SSH = dict.fromkeys((name for name in DOORS if name != "ssh"), "there are no sessions in it")
USER_REQUEST, GLOBAL_REQUEST, OPEN, DATA, REQUEST, NEW_KEYS, KEX_INIT = 50, 80, 90, 94, 98, 21, 20


def string(data: bytes) -> bytes:
    """As SSH has it (RFC 4251, 5)."""
    return struct.pack(">L", len(data)) + data


@case("T63", "a user name with line ends, of 10 KiB, of no UTF-8, of nothing", "KD", not_on=NOT_SSH)
def user_names(arena: Arena, door: Door) -> str:
    def attack(user: bytes) -> str:
        arena.connections += 1
        with connected(arena.victim.port) as wire:
            client = SecureShell(wire, user)
            try:
                client.shake_hands()
            except OSError:
                expect(client.client.last_words, "it ended without a word")
                return DROPPED
        return KEPT

    names = (b"evil\nname", b"evil\r\n[server]", b"\xff\xfe", b"x" * 10_240, b"", b"a\0b", b"\x1b[2J", "\u202eevil".encode())
    outcome = arena.each(names, "KD", attack)
    expect(b"evil\n" not in arena.victim.output and b"x" * 200 not in arena.victim.output, "it stands in the log")
    return outcome


def ended(arena: Arena, attack: Callable[[SecureShell], None]) -> str:
    """What becomes of a session in which this is done."""
    arena.connections += 1
    with connected(arena.victim.port) as wire:
        client = SecureShell(wire)
        client.shake_hands()
        try:
            attack(client)
            client.encrypted(f"{fresh_name()}\n".encode())
            received = b""
            while b"you are now connected!" not in received:
                data = wire.recv(65536)
                received += client.decrypted(data)
                if client.closed or not data:
                    return DROPPED if client.client.last_words else "d"
        except ConnectionError:  # it was reset behind its last words, or before they were read
            return DROPPED
    return ORDINARY


@case(
    "T105",
    "channels, forwarding, files, screens, agents, 1 MB of environment: refused, or the end",
    "OD",
    not_on=NOT_SSH,
)
def asked_for(arena: Arena, door: Door) -> str:
    def channels(client: SecureShell) -> None:
        for _ in range(1000):
            client.send_packet(OPEN, string(b"direct-tcpip") + struct.pack(">3L", 9, 1 << 20, 32768) + bytes(20))

    def environment(client: SecureShell) -> None:
        for _ in range(64):
            client.request(b"env", string(b"A") + string(b"x" * 16_000))

    def others(client: SecureShell) -> None:
        for request in (b"subsystem", b"x11-req", b"auth-agent-req@openssh.com", b"exec", b"shell", b"pty-req", b"\xff"):
            client.request(request, string(b"sftp"))
        client.send_packet(GLOBAL_REQUEST, string(b"tcpip-forward") + b"\1" + string(b"") + struct.pack(">L", 22))

    return arena.each((channels, environment, others), "OD", lambda attack: ended(arena, attack))


@case("T105a", "packets that can't be, and at the wrong time", "OID", not_on=NOT_SSH)
def wrong_packets(arena: Arena, door: Door) -> str:
    packets = [
        (number, payload)
        for number in (
            1,
            2,
            3,
            4,
            5,
            6,
            NEW_KEYS,
            KEX_INIT,
            30,
            34,
            USER_REQUEST,
            61,
            80,
            90,
            93,
            DATA,
            95,
            96,
            97,
            REQUEST,
            255,
        )
        for payload in (b"", b"\0" * 4, b"\xff" * 64)
    ]
    return arena.each(packets, "OIDd", lambda packet: ended(arena, lambda client: client.send_packet(*packet))).replace(
        "d", "D"
    )


@case("T105b", "packets of no bytes at most, and a window that stays shut", "ID", not_on=NOT_SSH)
def shut_windows(arena: Arena, door: Door) -> str:
    for window, packet in ((0, 0), (1 << 30, 0), (1 << 30, 1), (1 << 30, 1023)):
        arena.connections += 1
        with connected(arena.victim.port) as wire:
            client = SecureShell(wire)
            client.session.localWindowSize, client.session.localMaxPacket = window, packet
            try:
                client.shake_hands()
                raise FellShort(f"packets of {packet} bytes were begun with")
            except OSError:
                expect(client.session.refusal, "it was not refused")
    shut = []
    for _ in range(20):
        arena.connections += 1
        wire = connected(arena.victim.port)
        client = SecureShell(wire)
        client.session.localWindowSize = client.session.localWindowLeft = len(PROMPT) + 200
        client.shake_hands()
        client.encrypted(f"{fresh_name()}\n/join #torture\n".encode())
        shut.append(wire)
    talker = arena.enter(door)
    for number in range(30):
        talker.say(f"{number} " + "x" * 3000)
    talker.wait_for("29 x", "receipt")
    for wire in shut:
        wire.close()
    return IGNORED


@case("T69a", "100 connections that end in the middle of SSH's exchange of keys", "I", not_on=NOT_SSH)
def gone_in_the_exchange(arena: Arena, door: Door) -> str:
    for number in range(100):
        arena.connections += 1
        with connected(arena.victim.port) as wire:
            client = SecureShell(wire)
            said = client.client.transport.value()
            wire.sendall(said[: 10 + number * len(said) // 100])
            if number % 2:
                wire.recv(4096)
    return IGNORED
