"""The command line, the environment and the INI file; and that README says what the program does."""

import re
from pathlib import Path

import pytest
from configured import configured

from twisted_chat.config import state_folder
from twisted_chat.core.commands.builtins import table
from twisted_chat.core.users.session import Role
from twisted_chat.core.users.settings import Receipts
from twisted_chat.options import SETTINGS, dashed

CHECKOUT = Path(__file__).parents[2]
README = (CHECKOUT / "README.md").read_text("utf-8")
PAGES = [*sorted(CHECKOUT.glob("*.md")), *sorted((CHECKOUT / "docs").glob("*.md"))]


def test_command_line_goes_before_environment_before_file_before_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same setting in four places: the nearest counts."""
    ini = tmp_path / "chat.ini"
    ini.write_text("[chat]\nport = 1\nreceipts = always\nexit-stops-server = yes\n")
    assert configured().port == 5555
    assert configured("--config", str(ini)).port == 1
    monkeypatch.setenv("TWISTED_CHAT_PORT", "2")
    assert configured("--config", str(ini)).port == 2
    config = configured("--config", str(ini), "--port", "3")
    assert (config.port, config.receipts, config.exit_stops_server) == (3, Receipts.ALWAYS, True)


def test_listen_takes_the_place_of_port() -> None:
    """With --listen, --port counts only if it is given too."""
    assert configured("--listen", "unix:/x", "--listen", "tcp:1").listen == ("unix:/x", "tcp:1")
    assert configured("--listen", "tcp:1").port is None
    assert configured("--listen", "tcp:1", "--port", "2").port == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "x"], "--port takes a number"),
        (["--port", "65536"], "--port takes a number"),
        (["--host", "nowhere"], "--host takes an IP address"),
        (["--receipts", "maybe"], "--receipts takes alone, always or never"),
        (["--listen", "carrier:pigeon"], "--listen takes a Twisted endpoint"),
        (["--config", "/nowhere"], "can't be read"),
        (["stray"], "there is no argument 'stray'"),
    ],
)
def test_a_wrong_value_is_one_clear_line(arguments: list[str], words: str) -> None:
    """A wrong value ends the program with one line that names the option."""
    with pytest.raises(SystemExit) as ended:
        configured(*arguments)
    assert words in str(ended.value)
    assert "\n" not in str(ended.value)


def test_an_unknown_setting_in_the_file_is_refused(tmp_path: Path) -> None:
    """A misspelt setting in the INI file is not passed over."""
    ini = tmp_path / "chat.ini"
    ini.write_text("[chat]\nprot = 1\n")
    with pytest.raises(SystemExit, match="unknown setting 'prot'"):
        configured("--config", str(ini))


def test_state_folder_follows_the_system() -> None:
    """systemd's folder goes before the user's."""
    assert state_folder({"STATE_DIRECTORY": "/a", "XDG_STATE_HOME": "/b"}) == Path("/a")
    assert state_folder({"XDG_STATE_HOME": "/b"}) == Path("/b/twisted-chat")


def first_cells(page: str) -> set[str]:
    """The options and commands that a page's tables begin their rows with."""
    rows = [line.replace("\\|", "|") for line in page.splitlines() if line.startswith("| `")]
    return {word for row in rows for word in re.findall(r"`((?:--|/[a-z]+\b)[^`]*)`", row.split(" | ")[0])}


OPTIONS = {f"--{dashed(name)}" for name in SETTINGS} | {"--config"}


def test_every_option_is_listed() -> None:
    """docs/options.md names exactly the options there are."""
    assert first_cells((CHECKOUT / "docs" / "options.md").read_text("utf-8")) == OPTIONS


def test_readme_is_short_and_names_what_there_is() -> None:
    """README's tables have some options, and some commands with their usage; all of them exist. docs/ has the rest."""
    usages = {command.usage for command in table.for_role(Role.OPERATOR)}
    listed = first_cells(README)
    assert listed <= OPTIONS | usages
    assert len(listed & OPTIONS) >= 10 and len(listed & usages) >= 10
    assert len(README.splitlines()) < 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_named_anywhere_exist(page: Path) -> None:
    """Where a page has ``twistd`` stay in the foreground, it names both options; and what follows ``chat`` exists."""
    for command in re.findall(r"twistd (-n[^\n`]*)", page.read_text("utf-8")):
        assert command.startswith("-n --pidfile=")
        assert set(re.findall(r"--[a-z-]+", command.partition(" chat")[2])) <= OPTIONS
