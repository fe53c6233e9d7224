"""Fuzz target: a line of JSON is an object, an event, or an error of the promised kind; an event survives the way back.

What the bundled client shows of it controls no terminal, whatever the server is.
"""

import json
import re
from contextlib import suppress
from unicodedata import category

from twisted_chat.core.errors import ChatError
from twisted_chat.protocols.jsonlines.codec import JSON, as_event, as_object
from twisted_chat.protocols.jsonlines.protocol import parse
from twisted_chat.protocols.terminal.rendering import lines, painted, terminal_text

COLOUR = re.compile("\x1b\\[(?:3[1-6]|9[1-5]|0)m")


def check(data: bytes) -> None:
    """Raises if anything but a `ChatError` or, for an event, a `ValueError` comes out."""
    with suppress(ChatError):
        members = parse(data)
        with suppress(ValueError):
            event = as_event(members)
            if event is not None:
                line = JSON.render([event])
                assert line.endswith(b"\n") and line.count(b"\n") == 1
                again = as_event(json.loads(line))
                assert again is not None
                for shown in lines(event, paint=painted):
                    plain = COLOUR.sub("", terminal_text(shown))
                    assert not any(category(char)[0] == "C" and char not in "\u200c\u200d" for char in plain)
                assert repr(as_object(again)) == repr(as_object(event)) or "\\ud" in repr(event)
