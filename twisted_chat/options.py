"""The options of ``twistd chat``: make a Config from the command line, the environment and an INI file.

A setting comes from the command line, else from the environment (``TWISTED_CHAT_PORT``), else from the INI file
(section ``[chat]``), else from `config.Config`.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.python import usage

from twisted_chat import __version__
from twisted_chat.config import Config, Limits, state_folder
from twisted_chat.core.errors import BadName
from twisted_chat.core.text import durations, names
from twisted_chat.core.users.settings import Receipts
from twisted_chat.net.endpoints import endpoint, parted
from twisted_chat.protocols.registry import chosen

ENVIRONMENT = "TWISTED_CHAT_"
SECTION = "chat"
SETTINGS = {one.name: one for one in fields(Config) if "doc" in one.metadata}
FLAGS = [name for name, one in SETTINGS.items() if isinstance(one.default, bool)]
LISTS = [name for name, one in SETTINGS.items() if isinstance(one.default, tuple)]
# Below this size the file would consist mostly of its own structure.
SMALLEST_SIZE = 1 << 20
WORDS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


def dashed(name: str) -> str:
    """Return the setting's name as an option."""
    return name.replace("_", "-")


def port(text: str) -> int:
    """Parse a TCP port."""
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise ValueError(f"--port takes a number from 0 to 65535, not {text!r}")
    return int(text)


def host(text: str) -> str:
    """Parse an IP address."""
    if not (isIPAddress(text) or isIPv6Address(text)):
        raise ValueError(f"--host takes an IP address, not {text!r}")
    return text


def receipts(text: str) -> Receipts:
    """Parse a policy for receipts."""
    try:
        return Receipts(text)
    except ValueError:
        raise ValueError(f"--receipts takes alone, always or never, not {text!r}") from None


def flag(text: str) -> bool:
    """Parse yes or no from the environment or the INI file."""
    try:
        return WORDS[text.strip().lower()]
    except KeyError:
        raise ValueError(f"yes or no is wanted, not {text!r}") from None


def endpoints(text: str) -> tuple[str, ...]:
    """Parse endpoint strings separated by white space, each with a prefix if only some protocols are enabled there."""
    from twisted.internet import reactor

    for description in text.split():
        wanted, words = parted(description)
        try:
            endpoint(reactor, wanted)
        except Exception as error:
            raise ValueError(f"--listen takes a Twisted endpoint, not {wanted!r} ({error})") from None
        if words is not None:
            protocols(words, "--listen")
    return tuple(text.split())


def metrics(text: str) -> str:
    """Parse an endpoint for Prometheus."""
    from twisted.internet import reactor

    try:
        endpoint(reactor, text)
    except Exception as error:
        raise ValueError(f"--metrics takes a Twisted endpoint, not {text!r} ({error})") from None
    return text


def protocols(text: str, name: str = "--protocols") -> str:
    """Parse the enabled protocols."""
    try:
        chosen(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return text


def operators(text: str) -> tuple[str, ...]:
    """Parse names separated by white space."""
    try:
        return tuple(names.person(name, frozenset()) for name in text.split())
    except BadName as error:
        raise ValueError(f"--operator takes a name: {error}") from None


def web_names(text: str) -> tuple[str, ...]:
    """Parse names of this server separated by white space."""
    for name in text.split():
        if not re.fullmatch(r"[A-Za-z0-9.-]{1,253}", name):
            raise ValueError(f"--web-name takes a name as chat.example.org, not {name!r}")
    return tuple(text.lower().split())


def limits(text: str) -> Limits:
    """Parse the setting that enables limits."""
    try:
        return Limits(text)
    except ValueError:
        raise ValueError(f"--limits takes on or off, not {text!r}") from None


def _connections(option: str) -> Callable[[str], int]:
    """Return a parser for a number of connections."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:8]) <= 1_000_000):
            raise ValueError(f"--{option} takes a number from 1 on, not {text!r}")
        return int(text)

    return parse


def networks(text: str) -> tuple[str, ...]:
    """Parse addresses and networks separated by white space; ``none`` means an empty list."""
    found = text.split()
    if found == ["none"]:
        return ()
    for network in found:
        try:
            ip_network(network, strict=False)
        except ValueError:
            raise ValueError(f"--exempt takes an address, a network as 192.0.2.0/24, or none, not {network!r}") from None
    return tuple(found)


def length_of_time(text: str) -> float:
    """Parse a length of time."""
    length = durations.seconds(text)
    if not length:
        raise ValueError(f"--keep takes a length of time, as 90d or 12h, not {text!r}")
    return length


def size(text: str) -> int:
    """Parse a number of bytes."""
    found = re.fullmatch(r"([0-9]{1,6})([KMGT])", text.upper())
    bytes_ = int(found[1]) << {"K": 10, "M": 20, "G": 30, "T": 40}[found[2]] if found else 0
    if bytes_ < SMALLEST_SIZE:
        raise ValueError(f"--keep-size takes a size from 1M on, as 500M or 2G, not {text!r}")
    return bytes_


def server_name(text: str) -> str:
    """Parse a server name for IRC."""
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,63}", text):
        raise ValueError(f"--server-name takes letters, digits, - and ., not {text!r}")
    return text


PARSERS: dict[str, Callable[[str], Any]] = {
    "port": port,
    "host": host,
    "receipts": receipts,
    "limits": limits,
    "per_address": _connections("per-address"),
    "unnamed_per_address": _connections("unnamed-per-address"),
    "exempt": networks,
    "listen": endpoints,
    "protocols": protocols,
    "metrics": metrics,
    "operator": operators,
    "web_name": web_names,
    "keep": length_of_time,
    "keep_size": size,
    "server_name": server_name,
}


def help_line(name: str) -> str:
    """Return a setting's line in ``--help``, with its default."""
    setting = SETTINGS[name]
    default = getattr(setting.default, "value", setting.default)
    default = " ".join(default) if isinstance(default, tuple) else default
    return setting.metadata["doc"] + (f" [default: {default}]" if default and default is not True else "")


class Options(usage.Options):
    """``twistd chat [options]``. Values stay text until all sources are read; `config` then holds the result."""

    synopsis = "[options]"
    optFlags: ClassVar[list[list[Any]]] = [[dashed(name), None, help_line(name)] for name in FLAGS]
    optParameters: ClassVar[list[list[Any]]] = [
        [dashed(name), SETTINGS[name].metadata["short"], None, help_line(name)]
        for name in SETTINGS
        if name not in FLAGS and name not in LISTS
    ] + [["config", "c", None, "INI file with these settings in a section [chat]."]]

    config: Config

    def __init__(self) -> None:
        self.lists: dict[str, list[str]] = {name: [] for name in LISTS}
        super().__init__()

    def opt_listen(self, endpoint: str) -> None:  # noqa: D102 (its docstring comes from the setting)
        self.lists["listen"].append(endpoint)

    def opt_operator(self, name: str) -> None:  # noqa: D102
        self.lists["operator"].append(name)

    def opt_exempt(self, network: str) -> None:  # noqa: D102
        self.lists["exempt"].append(network)

    def opt_web_name(self, name: str) -> None:  # noqa: D102
        self.lists["web_name"].append(name)

    opt_listen.__doc__ = SETTINGS["listen"].metadata["doc"]
    opt_operator.__doc__ = SETTINGS["operator"].metadata["doc"]
    opt_web_name.__doc__ = SETTINGS["web_name"].metadata["doc"]
    opt_exempt.__doc__ = help_line("exempt")

    def opt_version(self) -> None:
        """Show the version and end."""
        print(f"twisted-chat {__version__}")
        sys.exit(0)

    def parseArgs(self, *rest: str) -> None:
        """Called by Twisted with the arguments that are not options. There must be none."""
        if rest:
            fail(f"there is no argument {rest[0]!r}; see twistd chat --help")

    def postOptions(self) -> None:
        """Called by Twisted when the command line has been read."""
        try:
            self.config = self._config(os.environ)
        except ValueError as error:
            fail(str(error))

    def _config(self, environment: Mapping[str, str]) -> Config:
        sources = (self._given(), from_environment(environment), from_file(self["config"], environment))
        values: dict[str, Any] = {}
        for name in SETTINGS:
            for where, source in sources:
                if name in source:
                    values[name] = parsed(name, source[name], where)
                    break
        if "listen" in values and "port" not in values:
            values["port"] = None
        if not values.get("state"):
            values["state"] = str(state_folder(environment))
        return Config(**values)

    def _given(self) -> tuple[str, dict[str, str]]:
        given = {name: self[dashed(name)] for name in SETTINGS if name not in LISTS and self[dashed(name)] not in (None, 0)}
        given |= {name: "\n".join(texts) for name, texts in self.lists.items() if texts}
        return "", {name: "yes" if name in FLAGS else text for name, text in given.items()}


def parsed(name: str, text: str, where: str) -> Any:
    """Return the value of a setting's text. Raise `ValueError`, which names the source."""
    parser = flag if name in FLAGS else PARSERS.get(name, str)
    try:
        return parser(text)
    except ValueError as error:
        raise ValueError(f"{where}{error}") from None


def from_environment(environment: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the settings in the environment."""
    found = {name: environment[ENVIRONMENT + name.upper()] for name in SETTINGS if ENVIRONMENT + name.upper() in environment}
    return "in the environment: ", found


def from_file(path: str | None, environment: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the settings of the INI file, if given. Raise `ValueError` if it is unreadable or has an unknown setting."""
    path = path or environment.get(ENVIRONMENT + "CONFIG")
    if not path:
        return "", {}
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(Path(path).read_text("utf-8"), path)
        found = {name.replace("-", "_"): text for name, text in parser[SECTION].items()}
    except OSError as error:
        raise ValueError(f"the file {path} can't be read: {error.strerror}") from None
    except KeyError:
        raise ValueError(f"the file {path} has no section [{SECTION}]") from None
    except (ConfigError, UnicodeError) as error:
        raise ValueError(" ".join(f"the file {path} is not an INI file: {error}".split())) from None
    for name in found:
        if name not in SETTINGS:
            raise ValueError(f"the file {path} has an unknown setting {dashed(name)!r}")
    return f"in the file {path}: ", found


def fail(why: str) -> NoReturn:
    """Exit with one line on the terminal. Twisted's UsageError would print the whole help before it."""
    raise SystemExit(f"twistd chat: {why}")
