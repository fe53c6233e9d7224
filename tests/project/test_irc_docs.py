"""docs/irc.md says what of IRC there is, and README where it is."""

import re
from pathlib import Path

from twisted_chat.protocols.irc.channel_modes import KINDS
from twisted_chat.protocols.irc.commands import mode
from twisted_chat.protocols.irc.commands.table import VERBS
from twisted_chat.protocols.irc.protocol import OFFERED
from twisted_chat.protocols.irc.welcome import USER_MODES
from twisted_chat.protocols.irc.wire.numerics import Numeric

PACKAGE = Path(mode.__file__).parents[1]
DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "irc.md").read_text("utf-8")


def table(heading: str, which: int = 0) -> list[list[str]]:
    """The rows of a section's table, each with its cells."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = re.split(r"\n\n", section.strip())[which].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def test_every_command_is_listed_with_what_it_does() -> None:
    """As HELP explains it."""
    listed = {row[0].strip("`"): row[1] for row in table("Commands")}
    assert listed == {name: " ".join((verb.handler.__doc__ or "").split()) for name, verb in VERBS.items()}


def test_every_mode_is_listed() -> None:
    """Those of rooms and those of people."""
    rooms = KINDS.lists + KINDS.always + KINDS.setting + KINDS.flags + KINDS.members
    assert [row[0] for row in table("Modes")] == [f"`+{letter}`" for letter in rooms]
    assert [row[0] for row in table("Modes", 1)] == [f"`+{letter}`" for letter in USER_MODES]
    assert set(mode.OWN) <= set(USER_MODES)


def test_every_capability_is_listed() -> None:
    """Those that are offered, and no others."""
    assert [row[0] for row in table("Capabilities")] == [f"`{name}`" for name in OFFERED]


def test_every_numeric_is_listed_and_sent() -> None:
    """The table is that of the program, and none stands there in vain."""
    sent = "".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py") if path.name != "numerics.py")
    for number, name, layout in table("Numerics"):
        numeric = Numeric[name.strip("`")]
        assert (numeric.number, f"`{numeric.layout}`") == (number, layout)
        assert f"Numeric.{numeric.name}" in sent
    assert len(table("Numerics")) == len(Numeric)


def test_what_is_left_out_is_not_there() -> None:
    """What the page says is left out is no command or capability."""
    for heading, there in (("Commands", VERBS), ("Capabilities", OFFERED)):
        left_out = {word for row in table(heading, 1) for word in re.findall(r"`([\w/-]+)`", row[0])}
        assert left_out and not left_out & there.keys()
