"""docs/adding-a-protocol.md is true: its example is applied to a copy, and asked."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from daemons import CHECKOUT, PATIENCE
from diffs import apply_diff

GUIDE = (CHECKOUT / "docs" / "adding-a-protocol.md").read_text("utf-8")
ASKED = r"""
from twisted_chat.protocols.registry import PROTOCOLS
from twisted_chat.testing import Chat
assert "finger" in PROTOCOLS
for protocols, query in ((["finger"], b"\r\n"), (PROTOCOLS, b"/W\r\n")):
    chat = Chat(protocols=protocols)
    chat.enter("Ann")
    client = chat.connect()
    client.send_bytes(query)
    chat.clock.advance(0.3)
    assert client.lines() == ["-> In #lobby: Ann"], client.transport.received
    assert client.closed
chat = Chat(protocols=["line", "json"])
client = chat.connect()
client.send_bytes(b"/W ann\r\n")
assert "-> Finger is not spoken here." in client.lines()[-1]
"""


def test_the_example_works(tmp_path: Path) -> None:
    """One new file, three new lines, nothing else: spoken on its own port, on the shared one, and turned away."""
    shutil.copytree(CHECKOUT / "twisted_chat", tmp_path / "twisted_chat")
    (new_file,) = re.findall(r"`(twisted_chat/protocols/\w+\.py)`\.", GUIDE)
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    (diff,) = re.findall(r"```diff\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / new_file).write_text(code, "utf-8")
    assert apply_diff(tmp_path, diff) == 3
    done = subprocess.run([sys.executable, "-c", ASKED], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
