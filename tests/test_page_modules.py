"""The web page's modules, by node's own test runner: `node --test tests/page/*.test.js`."""

import subprocess

from daemons import CHECKOUT, program


def test_the_pages_modules() -> None:
    """Everything in tests/page passes: the conversation, what the page knows, and its words."""
    node = program("node")
    tests = sorted(map(str, (CHECKOUT / "tests/page").glob("*.test.js")))
    assert tests
    run = subprocess.run([node, "--test", *tests], cwd=CHECKOUT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
