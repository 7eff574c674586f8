"""The Lua scripts as files: what they include, and how their answers are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flask_realtime.backends.base import Awaited
from flask_realtime.backends.redis import script, scripts
from flask_realtime.backends.redis.answers import STAYS, TURNED, UNSETTLED, Answer, Note, Outcome, Reaped, WentOffline
from flask_realtime.backends.redis.script import Script

FOLDER = Path(script.__file__).with_name("lua")
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.lua"))
PIECES = sorted(path.stem for path in (FOLDER / "shared").glob("*.lua"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of scripts; write some into it."""
    monkeypatch.setattr(script, "_FOLDER", tmp_path)
    (tmp_path / "shared").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_includes_what_it_uses_and_each_piece_once(name: str) -> None:
    text = Script(name).text
    assert "@include" not in text
    defined = re.findall(r"^local function (\w+)", text, re.MULTILINE)
    assert len(defined) == len(set(defined))
    pieces = "".join((FOLDER / "shared" / f"{piece}.lua").read_text() for piece in PIECES)
    shared = set(re.findall(r"^local function (\w+)", pieces, re.MULTILINE))
    code = re.sub(r"--.*", "", text)
    assert {used for used in shared if re.search(rf"\b{used}\(", code)} <= set(defined)


def test_every_script_is_called_and_every_piece_included() -> None:
    assert {value.name for value in vars(scripts).values() if isinstance(value, Script)} == set(SCRIPTS)
    texts = "".join(path.read_text() for path in FOLDER.rglob("*.lua"))
    assert set(re.findall(r'^--- @include "(\w+)"$', texts, re.MULTILINE)) == set(PIECES)


def test_a_piece_that_several_include_is_there_once_and_first(folder: Path) -> None:
    (folder / "shared" / "a.lua").write_text("a()\n")
    (folder / "shared" / "b.lua").write_text('--- @include "a"\nb()\n')
    (folder / "both.lua").write_text('--- @include "b"\n--- @include "a"\nc()\n')
    assert Script("both").text == "a()\nb()\nc()\n"


def test_a_piece_that_is_not_there_is_an_error(folder: Path) -> None:
    (folder / "one.lua").write_text('--- @include "nothing"\n')
    with pytest.raises(FileNotFoundError, match="nothing"):
        Script("one")


def test_answers_are_read_as_scripts_write_them() -> None:
    assert scripts.add("ann", "c1", "").parse(TURNED, b"7 2 1500 1") == Answer(TURNED, 7, 2, 1500, is_back=True)
    assert scripts.join("ann", "c1", "1").parse(STAYS, b"0") == Answer(STAYS, 0, 0, 0, is_back=False)
    assert scripts.write([], was_reaped=False).parse(STAYS, b'[[1,"7"],[0,"0"]]') == [Outcome(1, 7), Outcome(0, 0)]
    assert scripts.settle([]).parse(STAYS, b"{}") == []
    assert sorted(scripts.users().parse([[b"ann", b"bob"], [b"bob"], [b"carol"]])) == ["ann", "carol"]
    taken = [scripts.take_departure("ann", 7, offline_delay=1).parse(code) for code in (STAYS, TURNED, UNSETTLED)]
    assert taken == [False, True, None]
    departures = scripts.departures(offline_delay=1).parse([9_000_000, [b"ann", b"9500000", b"bob", b"8000000"]])
    assert departures == [Awaited("ann", 8_500_000, 0.5), Awaited("bob", 7_000_000, -1.0)]
    assert scripts.take_announcement("ann").parse(1500) == 1.5
    assert scripts.entries("user:ann").parse([[b"c1", b"a.1 x y", b"c2", b"b.1 z"], [b"b.1"]]) == [Note("c1", "a.1", "x y")]


@pytest.mark.parametrize(
    ("code", "answer", "found"), [(TURNED, b"{}", True), (STAYS, b"[]", False), (STAYS, b'[["ann","7"]]', True)]
)
def test_something_was_reaped_where_a_lease_was_found_or_an_answer_kept(code: int, answer: bytes, found: bool) -> None:  # noqa: FBT001
    offline = [WentOffline("ann", 7)] if b"ann" in answer else []
    assert scripts.reap(500, "").parse(code, answer) == Reaped(found, offline)


def test_two_calls_are_two_tokens() -> None:
    assert scripts.settle(["ann"]).args[0] != scripts.settle(["ann"]).args[0]
