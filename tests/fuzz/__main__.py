"""Fuzzes one target: ``python -m fuzz TARGET [SECONDS]``, from the folder ``tests``. What breaks a promise is written here."""

import sys
import tempfile

import atheris

from fuzz import CORPUS, TARGETS, target

name = sys.argv[1] if len(sys.argv) > 1 else ""
if name not in TARGETS:
    sys.exit(f"There are: {', '.join(TARGETS)}.")
with atheris.instrument_imports(include=["twisted_chat", "fuzz"]):
    check = target(name)
seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
with tempfile.TemporaryDirectory() as found:
    # New inputs go to the first folder; the second is only read.
    options = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10", f"-artifact_prefix={name}-"]
    atheris.Setup([sys.argv[0], *options, found, str(CORPUS / name)], check)
    atheris.Fuzz()
