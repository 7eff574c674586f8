"""Ids: section 2 of the contract."""

from typing import Any

import pytest

from flask_realtime.contract.ids import parse_id, parse_wire_id
from flask_realtime.contract.rooms import conversation_room, user_room
from flask_realtime.errors import InvalidId


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("7", "7"),
        (7, "7"),
        (0, "0"),
        (-3, "-3"),
        ("a b", "a b"),
        ("ü:é", "ü:é"),
        ("x" * 128, "x" * 128),
        (10**128 - 1, "9" * 128),
        (1 - 10**127, "-" + "9" * 127),
    ],
)
def test_strings_and_integers_are_ids(value: Any, text: str) -> None:
    assert parse_id(value, "field") == text


def test_a_number_and_its_text_name_the_same_thing() -> None:
    assert parse_id(7, "field") == parse_id("7", "field")


def test_an_id_keeps_its_spelling_for_the_way_back() -> None:
    assert parse_wire_id(7, "field") == ("7", 7)
    assert parse_wire_id("7", "field") == ("7", "7")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        None,
        True,
        False,
        1.5,
        [],
        ["a"],
        {},
        {"id": 1},
        b"a",
        "x" * 129,
        10**128,
        -(10**128),
        -(10**127),
        pytest.param(10**5000, id="huge"),
        "a\0b",
        "a\nb",
        "\ud800",
    ],
)
def test_anything_else_is_none(value: Any) -> None:
    with pytest.raises(InvalidId, match=r"^field must be"):
        parse_id(value, "field")


@pytest.mark.parametrize("forged", ["7", "user:7", "conversation:7", ":7", "/", ""])
def test_no_id_reaches_a_room_of_another_kind(forged: str) -> None:
    assert conversation_room(forged) != user_room("7")
    assert user_room(forged) != conversation_room("7")
