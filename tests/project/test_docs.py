"""The documentation says what the program does."""

import json
import re
from pathlib import Path

from twisted_chat.core.commands.builtins import table
from twisted_chat.core.errors import ChatError
from twisted_chat.core.users.session import Role
from twisted_chat.protocols import connection
from twisted_chat.protocols.jsonlines import protocol
from twisted_chat.protocols.jsonlines.codec import TYPES, as_event, as_object
from twisted_chat.protocols.web import site

DOCS = Path(__file__).parents[2] / "docs"
PROTOCOL = (DOCS / "protocol.md").read_text("utf-8")


def examples() -> dict[str, dict[str, object]]:
    """The examples in the protocol's tables, by the type they stand for."""
    rows = re.findall(r"^\| `([\w-]+)` \| `(\{.*\})` \|$", PROTOCOL, re.MULTILINE)
    return {name: json.loads(example) for name, example in rows}


def test_every_message_type_has_an_example_that_is_one() -> None:
    """Each request, event and answer there is stands in the tables, and each example reads and writes back the same."""
    found = examples()
    assert set(found) == set(protocol.REQUESTS) | set(TYPES)
    for name, example in found.items():
        assert example["type"] == name
        if name in TYPES:
            event = as_event(example)
            assert event is not None
            assert set(example) <= set(as_object(event))


ROLES = {
    Role.VISITOR: "Anybody, even before they give a name",
    Role.MEMBER: "Everybody with a name",
    Role.REGISTERED: "Registered names",
    Role.MODERATOR: "Operators of the room",
    Role.OWNER: "The owner of the room",
    Role.OPERATOR: "Operators of the server",
}


def who_may_do_what() -> str:
    """docs/commands.md, made from the command table."""
    lines = [
        "# Commands",
        "",
        "This page lists all commands by the role that they need. Each role may also use the commands of the roles above it.",
        "The owner of a room is its operator, too. An operator of the server (`--operator NAME`) is an operator of every room.",
        "",
        "`python tests/project/test_docs.py` writes this page from the command table.",
    ]
    for role in Role:
        lines += ["", f"## {ROLES[role]}", "", "| command | what it does |", "|---|---|"]
        for command in table.for_role(Role.OPERATOR):
            if command.role is role:
                usage = command.usage.replace("|", "\\|")
                lines.append(f"| `{usage}` | {command.explanation} |")
    return "\n".join(lines) + "\n"


def test_who_may_do_what_is_written_down() -> None:
    """docs/commands.md is what the command table says."""
    assert (DOCS / "commands.md").read_text("utf-8") == who_may_do_what()


def test_every_error_code_is_listed() -> None:
    """The codes a program can be sent are all named."""
    assert protocol.BadRequest in ChatError.__subclasses__()
    assert connection.InternalError in ChatError.__subclasses__()
    assert site.NotFound in ChatError.__subclasses__()
    kinds = [*ChatError.__subclasses__(), *(kind for direct in ChatError.__subclasses__() for kind in direct.__subclasses__())]
    codes = {kind.code for kind in kinds} | {"closing", "taken-over"}
    assert set(re.findall(r"`([a-z-]+)`", PROTOCOL.split("## Error codes")[1])) == codes


def test_every_link_between_files_leads_somewhere() -> None:
    """Sphinx tries those inside docs/; these are all, with their anchors, as a forge shows them."""
    for page in [*DOCS.parent.glob("*.md"), *DOCS.glob("*.md"), *(DOCS.parent / "newsfragments").glob("*.md")]:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
            path, _, anchor = target.partition("#")
            if ":" in path:
                continue
            linked = page.parent / path if path else page
            assert linked.exists(), f"{page.name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", linked.read_text("utf-8"), re.MULTILINE)
                assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, target


def test_every_news_fragment_is_of_a_kind_that_news_has() -> None:
    """towncrier passes over a file of another kind in silence."""
    settings = (DOCS.parent / "pyproject.toml").read_text("utf-8")
    kinds = re.findall(r'^\[\[tool\.towncrier\.type\]\]\ndirectory = "(\w+)"$', settings, re.MULTILINE)
    fragments = DOCS.parent / "newsfragments"
    assert kinds == re.findall(r"^\| `(\w+)` \|", (fragments / "README.md").read_text("utf-8"), re.MULTILINE)
    assert kinds[:2] == ["schema", "option"]  # what an operator must know first
    for fragment in fragments.iterdir():
        if fragment.name not in ("README.md", ".gitignore"):
            assert re.fullmatch(rf"\+[\w-]+\.({'|'.join(kinds)})\.md", fragment.name), fragment.name
            assert fragment.read_text("utf-8").strip(), fragment.name


if __name__ == "__main__":
    (DOCS / "commands.md").write_text(who_may_do_what(), "utf-8")


def test_each_promise_names_tests_that_exist() -> None:
    """docs/security.md names files of tests, and tests in them, that there are: each row one at least."""
    page = (DOCS / "security.md").read_text("utf-8")
    rows = [row for row in re.findall(r"^\| (?!promise|---).*$", page, re.MULTILINE) if row.count("|") == 4]
    assert len(rows) > 50
    for row in rows:
        named = re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", row)
        assert named, row
        for path, test in named:
            assert (DOCS.parent / path).exists(), path
            if test:
                assert re.search(
                    rf"^\s*(?:class|def) {test}\b|^{test} = ", (DOCS.parent / path).read_text("utf-8"), re.MULTILINE
                ), test


def test_the_map_of_folders_is_true() -> None:
    """docs/architecture.md names every folder of the package, and no folder or module that is not there."""
    page = (DOCS / "architecture.md").read_text("utf-8")
    package = DOCS.parent / "twisted_chat"
    named = set(re.findall(r"^\| `(twisted_chat/[\w/]*)` \|", page, re.MULTILINE))
    folders = {path.parent for path in package.rglob("__init__.py")}
    assert named == {f"{folder.relative_to(DOCS.parent)}/" for folder in folders}
    modules = re.findall(r"`([\w/]+/\w+\.py)`", page)
    assert modules
    assert not [path for path in modules if not (package / path).exists()]
