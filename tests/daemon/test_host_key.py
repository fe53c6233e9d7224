"""The server's key for ssh: made once, kept for its owner only, and told apart from what is none."""

from pathlib import Path

import pytest

from twisted_chat.net.ssh_host_key import FILE, BadHostKey, host_key


def test_it_is_made_once(tmp_path: Path) -> None:
    """The second start reads what the first has made; nobody else can read it."""
    made = host_key(str(tmp_path))
    assert host_key(str(tmp_path)).fingerprint == made.fingerprint
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / FILE).read_text("ascii").startswith("-----BEGIN OPENSSH PRIVATE KEY-----")


def test_without_a_folder_there_is_a_new_one_each_time() -> None:
    """Nothing is kept."""
    assert host_key("none").fingerprint != host_key("none").fingerprint


@pytest.mark.parametrize(
    "content", ["", "nonsense", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==", "-----BEGIN OPENSSH PRIVATE KEY-----\n"]
)
def test_what_is_no_key_is_one_sentence(tmp_path: Path, content: str) -> None:
    """And is never written over."""
    (tmp_path / FILE).write_text(content)
    with pytest.raises(BadHostKey, match=FILE):
        host_key(str(tmp_path))
    assert (tmp_path / FILE).read_text() == content


def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    """Is named."""
    with pytest.raises(BadHostKey, match="can't be read or made"):
        host_key(str(tmp_path / "missing"))
