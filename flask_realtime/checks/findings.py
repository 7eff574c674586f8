"""Findings of a check."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["problem", "hint"]


class Finding(NamedTuple):
    """One thing that is, or may be, wrong with how an application is set up.

    Args:
        code: Its name for machines.
        problem: What is wrong, in a sentence.
        remedy: What to do about it, in a sentence.
        level: `problem` for what is wrong for certain, `hint` for what may be meant.
    """

    code: str
    problem: str
    remedy: str
    level: Level = "problem"

    def __str__(self) -> str:
        """Return the problem and its remedy on one line."""
        return " ".join(f"{self.problem} {self.remedy}".split())
