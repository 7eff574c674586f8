"""Docstrings are searched by their first word and read once: a question word, "Say" or "Note" hides what follows.

A module or class opens with what it is or does ("Detects duplicates and gaps per publishing server."), a function with an
imperative, a predicate with "Return whether".
"""

import ast
from collections.abc import Iterator
from pathlib import Path

BANNED = {"How", "Note", "Say", "That", "Those", "What", "When", "Where", "Whether", "Which", "Who", "Whom", "Whose", "Why"}
ROOT = Path(__file__).resolve().parents[2]


def openings(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            words = (ast.get_docstring(node) or "").split()
            if words:
                yield node.body[0].lineno, words[0]


def sources() -> Iterator[Path]:
    for folder in ("flask_realtime", "example_app"):
        yield from (path for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts)


def test_no_docstring_opens_with_a_word_that_hides_its_subject() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path in sources()
        for line, word in openings(path.read_text(encoding="utf-8"))
        if word.strip(":,.") in BANNED
    ]
    assert found == []


def test_openings_are_those_of_modules_classes_and_functions() -> None:
    source = '"""What."""\nclass A:\n    """Who."""\n    x = 1\n    """Whether."""\n    def f(self):\n        """Say so."""\n'
    assert sorted(openings(source)) == [(1, "What."), (3, "Who."), (7, "Say")]
