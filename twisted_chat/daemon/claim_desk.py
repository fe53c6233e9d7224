"""Publish the claim codes of operators' names: in a file in the state folder, and on the terminal that started the daemon.

1. The file has a line ``NAME CODE`` for each name, readable only by the daemon's user. It is never incomplete, and is deleted
   once no name waits to be claimed. The log names the file, never its contents.
2. With ``twistd -n`` the code is also shown on the terminal, if there is one: the log may go elsewhere.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from twisted.logger import Logger

from twisted_chat.core.records import OLDER, Account
from twisted_chat.core.text.names import fold
from twisted_chat.net.certificates import write_whole

FILE = "operator-claim"


class DaemonClaimDesk:
    """A `core.interfaces.ClaimDesk`."""

    log = Logger()

    def __init__(self, folder: Path | None, terminal: TextIO | None, run: Callable[[Callable[[], None]], None]) -> None:
        """Without ``folder`` no file is written, without ``terminal`` no code is shown. ``run`` runs blocking calls."""
        self._path = folder / FILE if folder is not None else None
        self._terminal = terminal
        self._run = run
        self._codes: dict[str, str] | None = {}  # until the file is written, at the start
        self._told: list[str] = []

    def begin(self) -> None:
        """Write the codes of this start to the file. Codes from earlier starts are void. Blocks."""
        codes, self._codes = self._codes, None
        self._write(codes or {})
        for line in self._told:
            self.log.warn("[OPERATOR] {line}", line=line)
        self._told = []

    def hand_out(self, name: str, code: str, account: Account | None) -> None:
        """Publish a code, and log where it is."""
        self._show(name, code)
        line = f"{_state(name, account)} {self._where(name)}"
        if self._codes is not None:
            self._codes[name] = code
            self._told.append(line)
            return
        self._run(lambda: self._write(self._read() | {name: code}))
        self.log.warn("[OPERATOR] {line}", line=line)

    def take_back(self, name: str) -> None:
        """Remove a used code from the file."""
        if self._codes is not None:
            self._codes.pop(name, None)
            return
        self._run(lambda: self._write({one: code for one, code in self._read().items() if fold(one) != fold(name)}))
        self.log.info("[OPERATOR] {name} has been claimed.", name=name)

    def _where(self, name: str) -> str:
        if self._path is not None:
            return f"The claim code is in {self._path}"
        if self._terminal is not None:
            return "The claim code is shown on the terminal alone, as there is no state folder."
        return f"To get a claim code for {name}, start with a state folder (--state), or at a terminal with twistd -n."

    def _show(self, name: str, code: str) -> None:
        if self._terminal is not None:
            print(f"Claim code of the operator {name}: {code}", file=self._terminal, flush=True)

    def _read(self) -> dict[str, str]:
        """Return the codes in the file, by name."""
        assert self._path is not None
        try:
            lines = self._path.read_text("utf-8").splitlines()
        except OSError:
            return {}
        return {name: code for name, _, code in (line.partition(" ") for line in lines) if code}

    def _write(self, codes: dict[str, str]) -> None:
        """Rewrite the file, or delete it if there is no code. Log a failure: the next start makes other codes."""
        if self._path is None:
            return
        try:
            if codes:
                text = "".join(f"{name} {code}\n" for name, code in codes.items())
                write_whole(self._path, text.encode("utf-8"), 0o600)
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            self.log.error("[OPERATOR] {path} can't be written: {why}.", path=self._path, why=error.strerror)


def _state(name: str, account: Account | None) -> str:
    """Describe the state of an operator's name."""
    if account is None:
        return f"Nobody has claimed the name {name} yet: whoever gives it is asked for its claim code."
    confirm = f"Its owner confirms it by typing /claim {name}, and the claim code."
    if account.claimed == OLDER:
        return f"The account {name} is an operator, and was registered before there were claim codes. {confirm}"
    return f"The account {name} was registered without a claim code, and is no operator until it is confirmed. {confirm}"
