"""Places at which a text may be cut without splitting what people see as one character."""

from __future__ import annotations

import unicodedata
from typing import Final

_JOINING: Final = {"Mn", "Mc", "Me", "Cf"}
_BINDS_BACK: Final = frozenset("\u0e33\u0eb3\uff9e\uff9f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
"""Letters and symbols that belong to the character before them, besides marks."""

_BINDS_FORWARD: Final = frozenset(
    "\u0d4e\U000111c2\U000111c3\U0001193f\U00011941\U00011a3a\U00011a84\U00011a85\U00011a86\U00011a87\U00011a88\U00011a89"
    "\U00011d46\U00011f02"
)
"""Letters that belong to the character behind them."""

_KINDS: Final = (
    ("\u1100", "\u11ff", "letter"),
    ("\ua960", "\ua97f", "letter"),
    ("\uac00", "\ud7a3", "syllable"),
    ("\ud7b0", "\ud7ff", "letter"),
    ("\U0001f1e6", "\U0001f1ff", "flag"),
)
"""Korean letters and syllables, and the letters of which two are a flag."""

_JOINED: Final = {("letter", "letter"), ("letter", "syllable"), ("syllable", "letter"), ("flag", "flag")}


def is_boundary(text: str, position: int) -> bool:
    """Return whether nothing that belongs together is on both sides of a position.

    Has fewer boundaries than Unicode's UAX 29, and none that it does not have.
    """
    if not 0 < position < len(text):
        return True
    before, behind = text[position - 1], text[position]
    if before.isascii() and behind.isascii():
        return (before, behind) != ("\r", "\n")
    return not (_binds_back(behind) or _binds_forward(before, behind) or (_kind(before), _kind(behind)) in _JOINED)


def _binds_back(character: str) -> bool:
    return unicodedata.category(character) in _JOINING or character in _BINDS_BACK


def _binds_forward(character: str, behind: str) -> bool:
    if unicodedata.category(character) == "Cf" or character in _BINDS_FORWARD:
        return True
    # A mark between two letters, or a colour of skin among such marks, may join them to one.
    return unicodedata.category(character) in {"Mn", "Mc", "Me", "Sk"} and unicodedata.category(behind) == "Lo"


def _kind(character: str) -> str:
    return next((kind for first, last, kind in _KINDS if first <= character <= last), "")
