"""Fuzz target: HTTP and WebSockets in memory: no bug is logged, and the cuts between packets make no difference."""

from twisted.python.log import addObserver, removeObserver

from fuzz import pieces
from twisted_chat.protocols.framing import NoLineEnd
from twisted_chat.protocols.web.websocket_frames import MessageReader
from twisted_chat.testing import Chat

LONGEST = 512


def read(cut: list[bytes]) -> tuple[list[bytes], int | None]:
    """The messages, and the code with which they ended."""
    reader = MessageReader(LONGEST)
    found = []
    try:
        for piece in cut:
            reader.feed(piece)
            while (line := reader.next()) is not None:
                assert len(line) <= LONGEST
                found += [line] * bool(line)
    except NoLineEnd:
        pass
    return found, reader.code


def check(data: bytes) -> None:
    """Raises if a frame is read otherwise for how it came, or if a request is a bug."""
    assert read([data]) == read(list(pieces(data))) == read([data[at : at + 1] for at in range(len(data))])
    logged: list[dict[str, object]] = []
    addObserver(logged.append)
    chat = Chat()
    try:
        client = chat.connect("web")
        for piece in pieces(data):
            client.send_bytes(piece)
            chat.turn()
        client.vanish()
    finally:
        removeObserver(logged.append)
    errors = [event for event in logged if event.get("isError")]
    assert not errors, errors
    assert b" 500 " not in client.transport.received[:20]
