"""Queries as people type them: words, quoted phrases, and a last word that may be unfinished."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from flask_realtime.errors import BadRequest
from flask_realtime.features.search.words import find_words, fold

MAX_QUERY_LENGTH: Final = 200

MAX_PREFIX_LENGTH: Final = 31
"""Number of letters up to which a word may be unfinished: SQLite has an index of prefixes for each length, 31 at most."""

_PIECE: Final = re.compile(r'"([^"]*)("?)|[^\s"]+')


@dataclass(frozen=True)
class SearchQuery:
    """A query: phrases that a message has to contain, in any order.

    Args:
        phrases: The words of each phrase, which follow each other in the message. They contain letters, digits and marks alone.
        is_prefix: Whether the last word of the last phrase may be the beginning of one.
    """

    phrases: tuple[tuple[str, ...], ...]
    is_prefix: bool

    @property
    def folded(self) -> tuple[tuple[str, ...], ...]:
        """Return the phrases without case and accents."""
        return tuple(tuple(map(fold, phrase)) for phrase in self.phrases)


def parse_query(text: str) -> SearchQuery:
    """Parse a query; any text is one, and everything but quotation marks, letters and digits separates words.

    Several words without a space between them, such as `e-mail`, are a phrase. The last word is taken for an unfinished one if it
    has from 2 to 31 letters, or one that is not ASCII, and is not in a phrase whose quotation mark is closed.

    Raises:
        BadRequest: It is longer than `MAX_QUERY_LENGTH` characters.
    """
    if len(text) > MAX_QUERY_LENGTH:
        msg = f"q must have at most {MAX_QUERY_LENGTH} characters"
        raise BadRequest(msg)
    phrases: list[tuple[str, ...]] = []
    is_open = False
    for piece in _PIECE.finditer(unicodedata.normalize("NFC", text)):
        found = piece[0] if piece[1] is None else piece[1]
        words = tuple(found[start:end] for start, end in find_words(found))
        if words:
            phrases.append(words)
            is_open = not piece[2]
    return SearchQuery(tuple(phrases), is_open and _may_be_unfinished(phrases[-1][-1]))


def _may_be_unfinished(word: str) -> bool:
    # A single letter begins too many words for the index, and says too little.
    return 1 < len(word) <= MAX_PREFIX_LENGTH or (len(word) == 1 and not word.isascii())
