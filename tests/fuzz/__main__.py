"""`python -m tests.fuzz TARGET [options of libFuzzer]`: look for bytes that break what `targets.py` says of a parser.

Needs `atheris`. What leads somewhere new is written to the first folder named, `corpus/TARGET` where none is.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    """Fuzz one target."""
    atheris = importlib.import_module("atheris")  # Not an import: only whoever fuzzes has it.
    with atheris.instrument_imports(include=["flask_realtime", "engineio"]):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - atheris has to be there first
    name, *options = sys.argv[1:] or [""]
    if name not in TARGETS:
        sys.exit(f"Name one of {', '.join(TARGETS)}")
    if all(option.startswith("-") for option in options):
        (CORPUS / name).mkdir(parents=True, exist_ok=True)
        options = [str(CORPUS / name), *options]
    atheris.Setup([sys.argv[0], *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
