"""Names on the wire: each is written once, and camelCase has its places."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import flask_realtime
from flask_realtime.extension import BUILT_IN

FOLDER = Path(flask_realtime.__path__[0])
FILES = sorted(FOLDER.rglob("*.py"))
EVENTS = sorted({name for feature in BUILT_IN for name in (*feature.incoming, *feature.outgoing_events)})
CAMEL_CASE = re.compile(r"[a-z]+(?:[A-Z][a-z]+)+")

# JSON Schema and AsyncAPI, and Engine.IO's handshake, have words of their own.
OTHER_PROTOCOLS = ("describe/", "engine/")
OWN_WORDS = ("contract/", *OTHER_PROTOCOLS)


@cache
def nodes(file: Path) -> list[ast.AST]:
    """What a file consists of; each is parsed once for all tests."""
    return list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


@cache
def texts(file: Path) -> list[str]:
    """The string constants of a file."""
    return [node.value for node in nodes(file) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def names(file: Path) -> Iterator[str]:
    """The names that a file gives to something."""
    for node in nodes(file):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.arg or ""


def may_have_camel_case(file: Path) -> bool:
    """Return whether a file may have the wire's spelling."""
    place = file.relative_to(FOLDER).as_posix()
    return place.startswith(OWN_WORDS) or (place.startswith("features/") and file.name in {"events.py", "views.py"})


@pytest.mark.parametrize("event", EVENTS)
def test_the_name_of_an_event_is_written_once(event: str) -> None:
    # A class of limits may have the name of the event that it limits.
    files = [file for file in FILES if file != FOLDER / "config.py"]
    found = [file.relative_to(FOLDER).as_posix() for file in files for text in texts(file) if text == event]
    assert len(found) == 1
    assert re.fullmatch(r"features/\w+/events\.py", found[0])


@pytest.mark.parametrize(
    "file", [file for file in FILES if not may_have_camel_case(file)], ids=lambda file: str(file.relative_to(FOLDER))
)
def test_camel_case_is_for_the_wire_alone(file: Path) -> None:
    assert [word for word in (*texts(file), *names(file)) if CAMEL_CASE.fullmatch(word)] == []
