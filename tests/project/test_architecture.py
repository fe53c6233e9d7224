"""The layout's rules, held by reading the source."""

import ast
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from twisted_chat.core.events import Said

CHECKOUT = Path(__file__).parents[2]
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


# The parts of the package that each part may import besides itself. `service`, `testing` and what starts them import all.
MAY_IMPORT = {
    "core": set(),
    "config": {"core"},
    "net": {"core", "config"},
    "private_files": set(),
    "daemon": {"core", "net", "private_files"},
    "storage": {"core", "private_files"},
    "protocols": {"core", "config", "net", "__version__"},
    "client": {"core", "config", "net", "protocols", "__version__"},
    "metrics": {"core", "daemon", "protocols"},
}


def part(module: str) -> str:
    """The part of the package in which a module or one of its names lies."""
    return module.split(".")[1]


@pytest.mark.parametrize(
    "path", [path for path in MODULES if name(path).split("/")[0].removesuffix(".py") in MAY_IMPORT], ids=name
)
def test_imports_point_inward(path: Path) -> None:
    """The core knows nothing but itself; storage and protocols know the core, and not each other."""
    own = name(path).split("/")[0].removesuffix(".py")
    ours = {part(module) for module in everywhere(path) if module.startswith("twisted_chat.")}
    assert ours <= MAY_IMPORT[own] | {own}


def test_no_module_imports_another_in_a_circle() -> None:
    """Each module can be read with those that it imports, and without those that import it. Imports for types count."""
    dotted = {".".join(path.relative_to(CHECKOUT).with_suffix("").parts): path for path in MODULES if path.stem != "__init__"}
    graph = {
        module: {found for one in everywhere(path) for found in (one, one.rpartition(".")[0]) if found in dotted}
        for module, path in dotted.items()
    }
    assert tuple(TopologicalSorter(graph).static_order())
    with pytest.raises(CycleError):
        tuple(TopologicalSorter(graph | {"twisted_chat.config": {"twisted_chat.service"}}).static_order())


def test_each_folder_says_what_belongs_there() -> None:
    """Its ``__init__.py`` holds one sentence or two, and nothing else."""
    for path in MODULES:
        if path.stem == "__init__" and path.parent != PACKAGE:
            (only,) = ast.parse(path.read_text("utf-8")).body
            assert isinstance(only, ast.Expr), path


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


# What reads, counts or changes what was said: methods of `core.interfaces.MessageLog`, and who may call them.
READS = {"read_before", "read_after", "read_since", "count_after", "search", "erase", "tail"}
FACADE = {"core/hub/queries.py", "core/delivery/catchup.py"}


def log_reads(source: str) -> list[str]:
    """The calls of such methods in a module, and the places where one is taken to be called later."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr in READS
        and not (node.attr in ("search", "tail") and not ast.unparse(node.value).lower().endswith("log"))
    ]


@pytest.mark.parametrize("path", [path for path in MODULES if not name(path).startswith("storage/")], ids=name)
def test_every_read_of_the_log_passes_the_facade(path: Path) -> None:
    """It checks what the session may read: a new command or protocol can't skip that."""
    if name(path) not in FACADE:
        assert not log_reads(path.read_text("utf-8"))


def test_the_rule_of_the_facade_sees_what_it_should() -> None:
    """In the facade itself each method is called; by another name, and kept for later, it is seen too."""
    found = [call for module in FACADE for call in log_reads((PACKAGE / module).read_text("utf-8"))]
    assert {call.rpartition(".")[2] for call in found} == READS
    assert (
        log_reads("read = hub.log.read_before") and log_reads("await messages.erase(1, [])") and log_reads("self.log.search(q)")
    )
    assert not log_reads("re.search('a', 'b')")
