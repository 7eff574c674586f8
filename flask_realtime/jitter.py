"""Random numbers that keep servers from doing the same thing at the same time."""

from __future__ import annotations

from random import SystemRandom
from typing import Final

# Not the module's own functions: an application may seed those, and then all its servers would draw the same numbers.
jitter: Final = SystemRandom()
