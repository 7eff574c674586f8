"""Words of a text, as both databases have them: letters, digits and their marks, compared without case and accents."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

ACCENTS: Final = ("\u0300", "\u036f")
"""The first and the last of the marks that are no part of a word, once it is decomposed."""

VARIATION_SELECTORS: Final = "\ufe0e\ufe0f"
"""Marks of emoji, which separate words as the emoji do."""

SIGMAS: Final = ("\u03c2", "\u03c3")
"""The small sigma at a word's end, and elsewhere."""

_ALPHANUMERIC: Final = re.compile(r"[^\W_]+")
_IGNORED: Final = re.compile("[{}-{}{}]".format(*ACCENTS, VARIATION_SELECTORS))


def find_words(text: str) -> Iterator[tuple[int, int]]:
    """Yield the beginning and the end of each word; the marks behind a letter belong to its word."""
    start = end = -1
    for run in _ALPHANUMERIC.finditer(text):
        if run.start() == end:
            end = _behind_marks(text, run.end())
            continue
        if start >= 0:
            yield start, end
        start, end = run.start(), _behind_marks(text, run.end())
    if start >= 0:
        yield start, end


def _behind_marks(text: str, position: int) -> int:
    while position < len(text) and is_mark(text[position]):
        position += 1
    return position


def is_mark(character: str) -> bool:
    """Return whether a character belongs to the letter before it."""
    return unicodedata.category(character) in {"Mn", "Mc"} and character not in VARIATION_SELECTORS


def is_separator(character: str) -> bool:
    """Return whether a character is in no word; of those that are not assigned nobody knows."""
    category = unicodedata.category(character)
    return category[0] not in "LN" and category not in {"Cn", "Co", "Cs"} and not is_mark(character)


def fold(word: str) -> str:
    """Return a word without case and accents."""
    if word.isascii():
        return word.lower()
    return _IGNORED.sub("", unicodedata.normalize("NFD", word)).lower().replace(*SIGMAS)
