"""What operations cost: each measure prepares servers of its own, and compares two sides of the extension, not servers."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.counting import COUNTED, NOT_COUNTED, Rows, measure
from benchmarks.watched import CONNECTIONS, UNWATCHED, WATCHED, watched

OPERATIONS: dict[str, Callable[[Path, int, float], list[Rows]]] = {
    "counting": measure,
    **{f"watched_{mode}_{workers}": watched(workers, mode) for mode in ("production", "development") for workers in (1, 2)},
}
"""Measures by name; each gets a file of tokens, the number of runs and the measured seconds of a load."""

TOKENS = CONNECTIONS
"""How many tokens they need."""

SIDES = {
    NOT_COUNTED: "events not counted",
    COUNTED: "events counted",
    UNWATCHED: "without an administrator",
    WATCHED: "with one who watches",
}
"""What is compared, in words; the first of each pair is what the second is compared to."""
