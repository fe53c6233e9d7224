"""The web page's modules, by node's own test runner: `node --test tests/page/*.test.js`."""

import re
import subprocess

from daemons import CHECKOUT, program

PAGE = CHECKOUT / "twisted_chat/protocols/web/static"


def test_the_pages_modules() -> None:
    """Everything in tests/page passes: the conversation, what the page knows, and its words."""
    node = program("node")
    tests = sorted(map(str, (CHECKOUT / "tests/page").glob("*.test.js")))
    assert tests
    run = subprocess.run([node, "--test", *tests], cwd=CHECKOUT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


def test_all_modules_are_fetched_at_once() -> None:
    """The page names each module, so that none is asked for only when another has come; and nothing from anywhere else."""
    index = (PAGE / "index.html").read_text("utf-8")
    named = re.findall(r'(?:modulepreload" href|module" src)="([^"]+)"', index)
    assert sorted(named) == sorted(path.name for path in PAGE.glob("*.js"))
    for path in PAGE.iterdir():
        addresses = re.findall(r"https?://[\w.]+", path.read_text("utf-8"))
        assert set(addresses) <= {"http://www.w3.org"}, path  # SVG's namespace, which nobody fetches
