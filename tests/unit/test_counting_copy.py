"""The copy of the package that counts nothing, which the benchmarks measure counting against: it is made of what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import counting

COUNTS = re.compile(r"\.times \+= 1|\.answered \+= 1|tally\.bytes \+=|sizes\.append|\.alike\(|_sent\[|message\.count\(")


def test_the_copy_counts_nothing_on_the_path_of_an_event(tmp_path: Path) -> None:
    counting.write_copy(tmp_path)
    found: dict[str, list[str]] = {}
    for name in counting.REMOVED:
        text = (tmp_path / "flask_realtime" / name).read_text(encoding="utf-8")
        compile(text, name, "exec")
        found[name] = [line.strip() for line in text.splitlines() if COUNTS.search(line)]
    left = {name: lines for name, lines in found.items() if lines}
    # What is left is in two functions that nothing calls there.
    assert set(left) <= {"engine/messages.py", "gateway/dispatch/dispatcher.py"}
    assert sum(map(len, left.values())) == 2, left


def test_a_place_that_counts_elsewhere_by_now_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(counting.REMOVED, "counts.py", [("what is nowhere", "")])
    with pytest.raises(ValueError, match=r"counts\.py does not have 'what is nowhere'"):
        counting.write_copy(tmp_path)
