"""Apply the diffs that documentation shows."""

import re
from pathlib import Path


def apply_diff(folder: Path, diff: str) -> int:
    """Change the files of a folder as a diff says. Return how many lines were added."""
    added = 0
    for name, hunks in re.findall(r"^\+\+\+ b/(\S+)\n(.*?)(?=^--- |\Z)", diff, re.MULTILINE | re.DOTALL):
        for hunk in re.split(r"^@@.*\n", hunks, flags=re.MULTILINE)[1:]:
            added += apply(folder / name, hunk)
    return added


def apply(path: Path, hunk: str) -> int:
    """Change a file as a hunk says, wherever in it that fits. Returns how many lines were added."""
    lines = hunk.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    after = "".join(line[1:] for line in lines if line[0] != "-")
    text = path.read_text("utf-8")
    assert text.count(before) == 1, before
    path.write_text(text.replace(before, after), "utf-8")
    return after.count("\n") - before.count("\n")
