"""The layout's rules, held by reading the source."""

import ast
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

from twisted_chat.core.events import Said

CHECKOUT = Path(__file__).parent.parent
PACKAGE = CHECKOUT / "twisted_chat"
MODULES = sorted(PACKAGE.rglob("*.py"))
NOT_IN_CORE = {"time", "socket", "threading", "sqlite3", "asyncio", "selectors", "os"}


def imported(nodes: list[ast.stmt] | Iterator[ast.AST]) -> Iterator[str]:
    """The dotted names that are imported."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def everywhere(path: Path) -> Iterator[str]:
    """What a module imports anywhere in it."""
    return imported(ast.walk(ast.parse(path.read_text("utf-8"))))


def name(path: Path) -> str:
    """A module's place in the package."""
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=name)
def test_core_is_pure(path: Path) -> None:
    """The core imports itself, libraries of pure text, and of the standard one nothing that knows sockets, files or clocks."""
    for module in everywhere(path):
        first = module.split(".")[0]
        assert (
            module.startswith("twisted_chat.core.")
            or first in ("precis_i18n", "confusable_homoglyphs")
            or (first in sys.stdlib_module_names and first not in NOT_IN_CORE)
        ), module


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_reactor_at_the_top(path: Path) -> None:
    """No module installs a reactor by being imported."""
    tops = list(imported(ast.parse(path.read_text("utf-8")).body))
    assert not [module for module in tops if module.startswith("twisted.internet.reactor")]


@pytest.mark.parametrize("path", [path for path in MODULES if path.parent.name in ("storage", "protocols")], ids=name)
def test_imports_point_inward(path: Path) -> None:
    """Storage and protocols know neither what puts them together nor the client, nor each other."""
    other = {"storage": "protocols", "protocols": "storage"}[path.parent.name]
    for outer in ("service", "client", "tap", "testing", other):
        assert not [module for module in everywhere(path) if f"{module}.".startswith(f"twisted_chat.{outer}.")]


def test_plugin_folders_are_no_packages() -> None:
    """An ``__init__.py`` in ``twisted`` or ``twisted/plugins`` would hide Twisted itself."""
    assert not (CHECKOUT / "twisted/__init__.py").exists()
    assert not (CHECKOUT / "twisted/plugins/__init__.py").exists()


def test_all_of_the_package_is_installed() -> None:
    """setup.cfg names every folder with modules: run from a checkout, one that is missing there is not missed."""
    setup = ConfigParser()
    setup.read(CHECKOUT / "setup.cfg")
    folders = {".".join(path.parent.relative_to(CHECKOUT).parts) for path in MODULES}
    assert {*setup["options"]["packages"].split()} == folders | {"twisted.plugins"}


def test_events_are_frozen_for_the_type_checker_and_may_be_keys() -> None:
    """mypy, which every change has to pass, refuses an ignored error that is none: so it knows that this is one."""
    said = Said(1, 0.0, "#tea", "Ann", "hi")
    assert {said: "there"}[Said(1, 0.0, "#tea", "Ann", "hi")] == "there"
    said.text = "ho"  # type: ignore[misc]
    assert said != Said(1, 0.0, "#tea", "Ann", "hi")
