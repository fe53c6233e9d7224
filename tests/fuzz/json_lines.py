"""Fuzz target: a line of JSON is an object, an event, or an error of the promised kind; an event survives the way back."""

import json
from contextlib import suppress

from twisted_chat.core.errors import ChatError
from twisted_chat.protocols.json_codec import JSON, as_event, as_object
from twisted_chat.protocols.jsonl import parse


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
                assert repr(as_object(again)) == repr(as_object(event)) or "\\ud" in repr(event)
