"""The web page in a real Chromium, as a person uses it: by what is seen, and by keys."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from daemons import PATIENCE, program

sync_api = pytest.importorskip("playwright.sync_api")


@contextmanager
def chromium(*options: str) -> Iterator[Any]:
    """Debian's browser, without a window."""
    path = program("chromium")
    with sync_api.sync_playwright() as playwright:
        # Root, as in a container of CI, has no sandbox.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *options])
        try:
            yield browser
        finally:
            browser.close()


# What Chromium may complain of, and a page that came up all the same is not to blame for: a server that is down; and a
# connection which it opened ahead and, starved by the machine's other work, used only after the server had greeted a silent
# person there.
NO_FAULTS = ("WebSocket connection", "net::ERR_INVALID_HTTP_RESPONSE")


class Page:
    """One page in a browser of its own. What goes wrong in it is written down in ``faults``, and nothing may."""

    def __init__(self, browser: Any, port: int, name: str | None = None, *, at: str = "", **options: Any) -> None:
        self.context = browser.new_context(locale="en-GB", timezone_id="Europe/Berlin", **options)
        self.context.set_default_timeout(PATIENCE * 1000)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._told)
        self.page.goto(f"http://127.0.0.1:{port}/{at}")
        if name is not None:
            self.page.fill("#name", name)
            self.page.keyboard.press("Enter")
            self.page.wait_for_selector("#say:visible")
            self.page.wait_for_selector(".channel[aria-current]")

    def _told(self, message: Any) -> None:
        if message.type == "error" and not any(text in message.text for text in NO_FAULTS):
            self.faults.append(message.text)

    def say(self, *lines: str) -> None:
        """Type lines, each with Enter."""
        for line in lines:
            self.page.fill("#say", line)
            self.page.keyboard.press("Escape")  # what is offered
            self.page.keyboard.press("Enter")

    def until(self, condition: str, argument: Any = None) -> Any:
        """Wait until this JavaScript is true. It sees ``rows()``, the messages, and ``argument``."""
        return self.page.wait_for_function(f"argument => {{ {ROWS} return {condition} }}", arg=argument)

    def until_said(self, text: str) -> None:
        """Wait until somebody has said this, in the channel that is looked at."""
        self.until("rows().includes(argument)", text)

    def said(self) -> list[str]:
        """The texts that are there, in the channel that is looked at."""
        return self.page.evaluate(f"() => {{ {ROWS} return rows() }}")

    def close(self) -> None:
        """Close it. Nothing may have gone wrong in it."""
        self.context.close()
        assert not self.faults, self.faults


ROWS = (
    "const rows = () => [...document.querySelectorAll('.log:not([hidden]) .row:not(.event, .answer) > .text')]"
    ".map(element => element.textContent);"
)


def package(name: str, file: str) -> Path:
    """A file of an npm package, which `npm install --prefix tests/page` brings. If it is missing: as for a program."""
    path = Path(__file__).parents[1] / "page/node_modules" / name / file
    if not path.exists():
        assert not os.environ.get("CI"), f"{path} is missing"
        pytest.skip(f"{path} is missing")
    return path
