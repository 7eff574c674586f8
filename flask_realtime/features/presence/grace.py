"""Time that the server of a change has for what is its own to do; then another one does it, since that server may have died."""

from __future__ import annotations

from typing import Final

from flask_realtime.jitter import jitter

SECONDS: Final = 1.0
"""Least number of seconds that are left to the server of a change."""


def grace_seconds() -> float:
    """Return the seconds to wait for another server; not the same on all servers, of which one is to act."""
    return SECONDS * jitter.uniform(1, 2)
