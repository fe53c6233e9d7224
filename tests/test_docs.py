"""The documentation says what the program does."""

import json
import re
from pathlib import Path

from twisted_chat.core.errors import ChatError
from twisted_chat.protocols import connection, jsonl
from twisted_chat.protocols.json_codec import TYPES, as_event, as_object

DOCS = Path(__file__).parent.parent / "docs"
PROTOCOL = (DOCS / "protocol.md").read_text("utf-8")


def examples() -> dict[str, dict[str, object]]:
    """The examples in the protocol's tables, by the type they stand for."""
    rows = re.findall(r"^\| `([\w-]+)` \| `(\{.*\})` \|$", PROTOCOL, re.MULTILINE)
    return {name: json.loads(example) for name, example in rows}


def test_every_message_type_has_an_example_that_is_one() -> None:
    """Each request, event and answer there is stands in the tables, and each example reads and writes back the same."""
    found = examples()
    assert set(found) == set(jsonl.REQUESTS) | set(TYPES)
    for name, example in found.items():
        assert example["type"] == name
        if name in TYPES:
            event = as_event(example)
            assert event is not None
            assert set(example) <= set(as_object(event))


def test_every_error_code_is_listed() -> None:
    """The codes a program can be sent are all named."""
    codes = {kind.code for kind in (*ChatError.__subclasses__(), jsonl.BadRequest, connection.InternalError)} | {"closing"}
    assert set(re.findall(r"`([a-z-]+)`", PROTOCOL.split("## Error codes")[1])) == codes
