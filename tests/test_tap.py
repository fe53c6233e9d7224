"""The command line, the environment and the INI file; and that README says what the program does."""

import re
from pathlib import Path

import pytest

from twisted_chat.config import Config, state_folder
from twisted_chat.core.builtin import table
from twisted_chat.core.session import Role
from twisted_chat.core.settings import Receipts
from twisted_chat.tap import SETTINGS, Options, dashed

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def configured(*arguments: str) -> Config:
    """The Config that these arguments make."""
    options = Options()
    options.parseOptions(list(arguments))
    return options.config


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


def test_readme_lists_every_option_and_command() -> None:
    """README's tables name exactly the options and commands there are, and it is short."""
    rows = [line.replace("\\|", "|") for line in README.splitlines() if line.startswith("| `")]
    listed = {word for row in rows for word in re.findall(r"`((?:--|/[a-z]+\b)[^`]*)`", row)}
    options = {f"--{dashed(name)}" for name in SETTINGS} | {"--config"}
    commands = {command.usage for command in table.for_role(Role.OPERATOR)}
    assert listed == options | commands
    assert len(README.splitlines()) < 150
