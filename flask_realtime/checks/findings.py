"""Findings of checks."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["problem", "hint"]


class Finding(NamedTuple):
    """A definite or possible problem with an application's setup.

    Args:
        code: A machine-readable name.
        problem: What is wrong, in a sentence.
        remedy: What to do about it, in a sentence.
        level: `problem` for what is definitely wrong, `hint` for what may be intended.
    """

    code: str
    problem: str
    remedy: str
    level: Level = "problem"

    def __str__(self) -> str:
        """Return the problem and its remedy on one line."""
        return " ".join(f"{self.problem} {self.remedy}".split())
