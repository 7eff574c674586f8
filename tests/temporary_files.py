"""Cleaning of the folder for temporary files, as systemd does it once a day, of files that are as old as you like."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_CLEANER = shutil.which("systemd-tmpfiles")

needs_cleaner = pytest.mark.skipif(_CLEANER is None, reason="there is no systemd-tmpfiles")


def clean(folder: Path) -> None:
    """Remove from a folder what nobody uses, as far as systemd-tmpfiles can tell."""
    rules = folder.with_name(f"{folder.name}.conf")
    rules.write_text(f"e {folder} - - - 0\n", encoding="utf-8")
    assert _CLEANER is not None
    subprocess.run([_CLEANER, "--clean", str(rules)], check=True, timeout=60)
