"""The path of an event in one server, whose functions are exchanged in turns for those of another version of the package.

`python -m benchmarks.exchanged FOLDER FOLDER ROUNDS` prints what `benchmarks.path` does, for a version that differs from the
second one only within functions: these get the code of one and the other, round after round. So both have the same connections, the
same memory and the same state.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path as FilePath
from types import CodeType, FunctionType, SimpleNamespace
from typing import Final, NamedTuple

from gevent import monkey

from benchmarks.path import KINDS, WARM, Path

_SETTLING: Final = 4
"""Rounds after an exchange that are not measured: the interpreter first gets used to the code again."""


UNCOUNTED: Final = SimpleNamespace(events=0, bytes=0, alike=lambda _number, _size: None)
"""What the code of the other version may put in the place of what counts: a global name of every function that gets it."""


class Exchange(NamedTuple):
    """A function of a server, and its code in both versions."""

    function: FunctionType
    codes: tuple[CodeType, CodeType]


def exchanges(other: FilePath, package: FilePath) -> list[Exchange]:
    """Return the functions of a loaded package whose code is another one in another version of it."""
    found = []
    for function in [thing for thing in gc.get_objects() if isinstance(thing, FunctionType)]:
        code, path = function.__code__, FilePath(function.__code__.co_filename)
        if path.is_relative_to(package / "flask_realtime"):
            before = _changed(other / path.relative_to(package), path).get((code.co_name, code.co_firstlineno))
            if before is not None:
                function.__globals__["UNCOUNTED"] = UNCOUNTED
                found.append(Exchange(function, (before, code)))
    return found


@cache
def _changed(other: FilePath, path: FilePath) -> dict[tuple[str, int], CodeType]:
    """Return the functions of a module that do something else in the other version, by their names and lines."""
    both = zip(_functions(other), _functions(path), strict=True)
    return {(code.co_name, code.co_firstlineno): before for before, code in both if _work(before) != _work(code)}


def _functions(path: FilePath) -> Iterator[CodeType]:
    left = [compile(path.read_text(encoding="utf-8"), path, "exec", dont_inherit=True)]
    while left:
        inner = [constant for constant in left.pop().co_consts if isinstance(constant, CodeType)]
        yield from inner
        left += inner


def _work(code: CodeType) -> tuple[object, ...]:
    """Return what a code does, wherever it is written."""
    constants = [_work(constant) if isinstance(constant, CodeType) else constant for constant in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, constants


def compare(path: Path, exchanged: list[Exchange], kind: str, rounds: int) -> tuple[float, float]:
    """Return the time of an event with the other version, and how much more it is with the server's own."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(WARM):
        path.measure(kind)
    for turn in range(rounds):
        for side in (turn % 2, 1 - turn % 2):
            for function, both in exchanged:
                function.__code__ = both[side]
            for _ in range(_SETTLING):
                path.measure(kind)
            found[side].append(min(path.measure(kind), path.measure(kind)))
        gc.collect()
    first, second = (statistics.quantiles(times, n=10)[0] for times in found)
    return first, second - first


def main() -> None:
    """Measure every kind of event."""
    other, package, rounds, *kinds = sys.argv[1:]
    monkey.patch_all(ssl=False)
    path = Path(package)
    exchanged = exchanges(FilePath(other), FilePath(package))
    gc.collect()
    gc.freeze()
    gc.disable()
    json.dump({kind: compare(path, exchanged, kind, int(rounds)) for kind in kinds or KINDS}, sys.stdout)


if __name__ == "__main__":
    main()
