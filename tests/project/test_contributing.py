"""CONTRIBUTING.md is true: its example is applied to a copy, step by step, and the copy's tests run."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from daemons import CHECKOUT, PATIENCE
from diffs import apply_diff

GUIDE = (CHECKOUT / "CONTRIBUTING.md").read_text("utf-8")


def copy_of_the_checkout(folder: Path) -> Path:
    """Copy what the example changes, and what its tests need."""
    for name in ("twisted_chat", "twisted", "tests", "docs", "newsfragments"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules", "_build"))
    for path in (*CHECKOUT.glob("*.md"), CHECKOUT / "setup.cfg", CHECKOUT / "pyproject.toml"):
        shutil.copy(path, folder / path.name)
    return folder


def test_the_example_works(tmp_path: Path) -> None:
    """A command and an event are added by the words of the page alone, and everybody sees the event."""
    copy_of_the_checkout(tmp_path)
    blocks = re.findall(r"(New file `([\w/.]+)`:\n\n)?^( *)```(python|diff)\n(.*?)^ *```$", GUIDE, re.MULTILINE | re.DOTALL)
    assert [language for _, _, _, language, _ in blocks] == ["python", *["diff"] * 5, "python"]
    for _, new_file, _, language, indented in blocks:
        text = textwrap.dedent(indented)
        if language == "diff":
            apply_diff(tmp_path, text)
        else:
            (tmp_path / new_file).write_text(text, "utf-8")

    def run(*arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=6 * PATIENCE,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run("tests/project/test_docs.py")
    assert "| `/coin` | Toss a coin. |" in (tmp_path / "docs" / "commands.md").read_text("utf-8")
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/core/commands/test_games.py", "tests/project/test_docs.py")
