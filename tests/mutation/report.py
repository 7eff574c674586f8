"""What a mutation run found: the faults that nobody saw, and how many were seen by which tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.mutation.mutants import Mutant

JUDGED: Final = Path(__file__).parent / "without_effect.txt"
"""Faults that were found to have no effect, or none but on time and memory; a paragraph each, and why."""

HEADINGS: Final = ("module", "mutants", "seen", "of them by fast tests", "without effect", "unseen")


@dataclass
class Tally:
    """The outcome for one module.

    Args:
        module: Its path.
        fast: Faults that tests without a server process saw.
        slow: Faults that only tests with one saw.
        without_effect: Faults that nobody can feel.
        unseen: The faults that no test saw.
    """

    module: str
    fast: int = 0
    slow: int = 0
    without_effect: int = 0
    unseen: list[Mutant] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many faults were tried."""
        return self.fast + self.slow + self.without_effect + len(self.unseen)

    def row(self) -> str:
        """Return the module's row of the table."""
        cells = (self.module, self.total, self.fast + self.slow, self.fast, self.without_effect, len(self.unseen))
        return table_row(*cells)


def table_row(*cells: object) -> str:
    """Return a row of a Markdown table.

    Args:
        cells: What stands in it.
    """
    return f"| {' | '.join(map(str, cells))} |"


def read_judged(path: Path = JUDGED) -> set[tuple[str, str]]:
    """Return the faults without effect: module and difference.

    Args:
        path: The file that lists them.
    """
    judged = set()
    for paragraph in path.read_text().split("\n\n"):
        lines = [line for line in paragraph.splitlines() if not line.startswith("#")]
        if lines:
            judged.add((lines[0], _plain("\n".join(lines[1:]))))
    return judged


def is_judged(module: str, mutant: Mutant, judged: set[tuple[str, str]]) -> bool:
    """Return whether a fault is one of those without effect.

    Args:
        module: The module's path.
        mutant: The fault.
        judged: What `read_judged` returned.
    """
    return (module, _plain(mutant.difference)) in judged


def _plain(difference: str) -> str:
    return "\n".join(f"{line[0]}{line[1:].strip()}" for line in difference.splitlines() if line.strip())


def summary(tallies: list[Tally]) -> str:
    """Return the table of all modules, and the share of what can be felt that is seen.

    Args:
        tallies: The modules' outcomes.
    """
    every = Tally("all")
    for tally in tallies:
        every.fast += tally.fast
        every.slow += tally.slow
        every.without_effect += tally.without_effect
        every.unseen += tally.unseen
    felt = every.total - every.without_effect
    seen = 100 * (every.fast + every.slow) / felt if felt else 100.0
    head = [table_row(*HEADINGS), table_row(*("---",) * len(HEADINGS))]
    return "\n".join(
        [*head, *(tally.row() for tally in [*tallies, every]), "", f"{seen:.1f} % of the faults that can be felt were seen."]
    )
