"""Snippets of messages that were found, with the words of the query marked."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from flask_realtime.features.search.graphemes import is_boundary
from flask_realtime.features.search.query import SearchQuery
from flask_realtime.features.search.words import find_words, fold

SNIPPET_LENGTH: Final = 160
"""Maximum number of the content's characters in a snippet."""

_BEFORE: Final = 40
_SEARCHED_FOR_A_SPACE: Final = 20
_CUT: Final = "…"

Span = tuple[int, int]


def make_snippet(content: str, query: SearchQuery) -> str:
    """Return the part of a message around the first of the words that were searched for, as HTML.

    Each of these words is in a `<mark>`; everything else is escaped, so that this is the only mark-up. An ellipsis stands for what
    was cut off. Nothing is marked in a message that has none of the words.
    """
    marked = find_marked(content, query)
    start, end = _window(content, *(marked[0] if marked else (0, 0)))
    parts = [_CUT if start else ""]
    position = start
    for first, last in marked:
        if first >= end:
            break
        stop = min(last, end)
        parts += [escape(content[position:first]), "<mark>", escape(content[first:stop]), "</mark>"]
        position = stop
    parts += [escape(content[position:end]), _CUT if end < len(content) else ""]
    return "".join(parts)


def find_marked(content: str, query: SearchQuery) -> list[Span]:
    """Return the words of a message that a query looks for, in their order."""
    spans = list(find_words(content))
    words = [fold(content[start:end]) for start, end in spans]
    found: set[int] = set()
    phrases = query.folded
    for number, phrase in enumerate(phrases, 1):
        is_prefix = query.is_prefix and number == len(phrases)
        found.update(_places(words, phrase, is_prefix=is_prefix))
    return [spans[place] for place in sorted(found)]


def _places(words: Sequence[str], phrase: Sequence[str], *, is_prefix: bool) -> set[int]:
    """Return the numbers of the words at which a phrase stands."""
    *rest, last = phrase
    found: set[int] = set()
    for place in range(len(rest), len(words)):
        ends = words[place].startswith(last) if is_prefix else words[place] == last
        if ends and list(words[place - len(rest) : place]) == rest:
            found.update(range(place - len(rest), place + 1))
    return found


def _window(content: str, first: int, last: int) -> Span:
    """Return the part of a message that is shown around a word."""
    start = 0 if first <= _BEFORE else _cut_before(content, first - _BEFORE, first)
    if len(content) - start <= SNIPPET_LENGTH:
        return start, len(content)
    return start, _cut_behind(content, start, last)


def _cut_before(content: str, earliest: int, word: int) -> int:
    """Return where to begin, at a word if possible, and never within a character."""
    latest = min(word, earliest + _SEARCHED_FOR_A_SPACE)
    spaces = (place for place in range(earliest, latest + 1) if content[place - 1].isspace() and is_boundary(content, place))
    return next(spaces, next((place for place in range(earliest, word + 1) if is_boundary(content, place)), word))


def _cut_behind(content: str, start: int, word_end: int) -> int:
    """Return where to end, behind a word if possible, and never within a character."""
    latest = start + SNIPPET_LENGTH
    lowest = max(start, word_end, latest - _SEARCHED_FOR_A_SPACE)
    spaces = (place for place in range(latest, lowest - 1, -1) if content[place].isspace() and is_boundary(content, place))
    return next(spaces, next((place for place in range(latest, start, -1) if is_boundary(content, place)), start))
