"""What cleaners of the folder for temporary files go by, such as systemd-tmpfiles."""

from __future__ import annotations

from pathlib import Path


def is_in_use(path: Path) -> bool:
    """Return whether the kernel names a socket's path: to a cleaner, others are old files."""
    lines = Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()
    return str(path) in {line.split()[-1] for line in lines}
