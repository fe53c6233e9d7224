"""The rules of the house that an import can break."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "twisted_chat").rglob("*.py"))
WORLD = {"time", "socket", "threading", "sqlite3", "asyncio", "selectors", "os", "pathlib", "logging", "queue", "subprocess"}


def imported(module: Path, *, top_only: bool = False) -> set[str]:
    """The dotted names a module imports, ``package.name`` for each ``from package import name``."""
    tree = ast.parse(module.read_text("utf-8"))
    found = set()
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("module", [m for m in MODULES if m.parent.name == "core"], ids=lambda m: m.name)
def test_core_knows_nothing_of_the_world(module: Path) -> None:
    """core/ imports the standard library, without clocks, sockets, threads and files, PRECIS, and itself."""
    for name in imported(module):
        top = name.split(".")[0]
        assert top not in WORLD
        assert top in sys.stdlib_module_names or top == "precis_i18n" or name.startswith("twisted_chat.core.")


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(ROOT)))
def test_no_module_imports_the_reactor_at_its_top(module: Path) -> None:
    """Importing a module never installs a reactor."""
    assert "twisted.internet.reactor" not in imported(module, top_only=True)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(ROOT)))
def test_only_the_command_line_sees_the_service(module: Path) -> None:
    """Imports point inward: storage and protocols know neither each other nor the service."""
    names = imported(module)
    if module.name != "tap.py":
        assert not any(name.startswith("twisted_chat.service") for name in names)
    if module.parent.name == "storage":
        assert not any(name.startswith("twisted_chat.protocols") for name in names)
    if module.parent.name == "protocols":
        assert not any(name.startswith(("twisted_chat.storage", "twisted_chat.client")) for name in names)


def test_twisted_stays_twisteds() -> None:
    """A file twisted/__init__.py would hide Twisted; one in twisted/plugins would hide our plugin."""
    assert not (ROOT / "twisted/__init__.py").exists()
    assert not (ROOT / "twisted/plugins/__init__.py").exists()
