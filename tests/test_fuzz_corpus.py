"""The inputs that the fuzzer started from, or once found, replayed without it."""

from pathlib import Path

import pytest
from fuzz import CORPUS, TARGETS, seeds, target


@pytest.mark.parametrize(
    ("name", "path"),
    [pytest.param(name, path, id=f"{name}-{path.name}") for name in TARGETS for path in seeds(name)],
)
def test_replayed(name: str, path: Path) -> None:
    """Each input keeps its target's promises."""
    target(name)(path.read_bytes())


def test_every_corpus_has_its_target() -> None:
    """There is no folder of inputs that nobody looks at, and no target without inputs."""
    assert sorted(path.name for path in CORPUS.iterdir()) == sorted(TARGETS)
