"""Strict JSON in both directions."""

import dataclasses
import datetime as dt
import decimal
import json
import uuid
from typing import Any

import orjson
import pytest
from flask import Flask
from flask.json.provider import JSONProvider

from flask_realtime.contract.json import ApplicationJSON, loads
from flask_realtime.errors import PayloadNotSerializable
from flask_realtime.gateway.delivery.encoding import EventEncoder


@dataclasses.dataclass
class Point:
    x: int


@dataclasses.dataclass
class Author:
    name: str
    joined: Any


class Unknown:
    """What no provider can serialise."""


class NonStrict(JSONProvider):
    """A provider that writes what JavaScript cannot read."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return json.dumps(obj, **kwargs)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return json.loads(s, **kwargs)


@pytest.mark.parametrize(
    "document",
    ["NaN", "[Infinity]", '{"a":-Infinity}', "1e999", "-1e999", "1" * 1001, "[" * 100_000, '"\\ud800"', '"\\uDC00"', "", "{"],
)
def test_what_is_not_strict_json_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        loads(document)


@pytest.mark.parametrize(
    "document",
    [
        "[1,2.5,null,true]",
        '"\\ud83d\\ude00"',
        '"\\\\ud800"',
        "1e308",
        "[1180591620717411303424]",
        "-9007199254740993",
        '{"a":{"b":[]}}',
    ],
)
def test_strict_json_is_read_as_it_is(document: str) -> None:
    assert loads(document) == json.loads(document)


def test_whatever_flask_can_serialise_can_be_sent() -> None:
    app = Flask(__name__)
    value = {
        "when": dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc),
        "id": uuid.UUID(int=1),
        "price": decimal.Decimal("1.50"),
        "point": Point(3),
    }
    with app.app_context():
        expected = json.loads(app.json.dumps(value))
    assert json.loads(ApplicationJSON(app.json).dumps(value)) == expected


def test_text_is_sent_as_it_is_and_keys_keep_their_order() -> None:
    assert ApplicationJSON(Flask(__name__).json).dumps({"b": "ü", "a": 1}) == '{"b":"ü","a":1}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {"a": {1, 2}}, "\ud800", b"x"])
def test_what_is_not_json_is_an_error_for_the_sender(value: Any) -> None:
    with pytest.raises(PayloadNotSerializable, match="cannot be sent as JSON"):
        ApplicationJSON(Flask(__name__).json).dumps(value)


def test_another_provider_is_held_to_strict_json_too() -> None:
    strict = ApplicationJSON(NonStrict(Flask(__name__)))
    assert json.loads(strict.dumps({"a": 1})) == {"a": 1}
    with pytest.raises(PayloadNotSerializable):
        strict.dumps(float("nan"))


class Narrow(JSONProvider):
    """A provider that refuses what 64 bits do not hold, and objects, as orjson does."""

    def dumps(self, obj: Any, **_kwargs: Any) -> str:
        return orjson.dumps(obj, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()

    def loads(self, s: str | bytes, **_kwargs: Any) -> Any:
        return orjson.loads(s)


def circle() -> dict[str, Any]:
    value: dict[str, Any] = {"id": 1, "replies": []}
    value["replies"].append({"to": value})
    return value


def deep(value: Any) -> Any:
    for _ in range(100_000):
        value = [value]
    return value


FAULTS = [
    ({"author": {"name": "Ann", "joined": Unknown()}}, "payload.author.joined: Unknown is not JSON serializable"),
    ({"author": Author("Ann", {1, 2})}, "payload.author.joined: set is not JSON serializable"),
    ({"items": [0, 1, 2, {"x": 1j}]}, "payload.items[3].x: complex is not JSON serializable"),
    ({"items": (0, {"price": float("nan")})}, "payload.items[1].price: nan is not a number in JSON"),
    (float("-inf"), "payload: -inf is not a number in JSON"),
    ({"a": {("x", 1): 2}}, "payload.a: keys must be strings, not tuple"),
    ({"a": {float("inf"): 2}}, "payload.a: inf is not a key in JSON"),
    ({"first name": ["\ud800"]}, "payload['first name'][0]: a lone surrogate, which UTF-8 cannot encode"),
    ({"a": {"\udc00": 1}}, r"payload.a: the key '\udc00' has a lone surrogate, which UTF-8 cannot encode"),
    ({7: {"line\nend": Unknown()}}, r"payload[7]['line\nend']: Unknown is not JSON serializable"),
    (circle(), "payload.replies[0].to: a circular reference, back to the dict that holds it"),
    ({"a": [{}, {"b": Unknown()}], "c": Unknown()}, "payload.a[1].b: Unknown is not JSON serializable"),
]


@pytest.mark.parametrize(("value", "fault"), FAULTS)
def test_the_error_names_the_place_and_what_is_wrong_there(value: Any, fault: str) -> None:
    expected = f"The payload cannot be sent as JSON: {fault}. Convert it before sending."
    with pytest.raises(PayloadNotSerializable) as caught:
        EventEncoder(Flask(__name__).json).encode(["message:new", value])
    assert str(caught.value) == expected
    with pytest.raises(PayloadNotSerializable) as caught:
        ApplicationJSON(Flask(__name__).json).dumps([value])
    assert str(caught.value) == expected


def test_what_is_nested_too_deeply_has_a_path_of_bounded_length() -> None:
    with pytest.raises(PayloadNotSerializable, match=r"payload(\[0\]){50}: nested too deeply\.") as caught:
        ApplicationJSON(Flask(__name__).json).dumps([deep(1)])
    assert len(str(caught.value)) < 300


def test_one_of_several_arguments_is_named_by_its_place() -> None:
    with pytest.raises(PayloadNotSerializable, match=r"JSON: arguments\[1\]\.when: Unknown is not"):
        EventEncoder(Flask(__name__).json).encode(["order:update", 1, {"when": Unknown()}])


def test_the_place_is_named_beside_binary_data_too() -> None:
    with pytest.raises(PayloadNotSerializable, match=r"JSON: payload\.notes\[0\]: Unknown is not"):
        EventEncoder(Flask(__name__).json).encode(["file:new", {"data": b"x", "notes": [Unknown()]}])


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"ids": [1, 2**64]}, "payload.ids[1]: Integer exceeds 64-bit range"),
        (
            {"author": {"joined": dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc)}},
            "payload.author.joined: datetime is not JSON serializable",
        ),
        ({"votes": {1: 2}}, "payload.votes: Dict key must be str"),
        ([circle()], "payload[0].replies[0].to: a circular reference, back to the dict that holds it"),
    ],
)
def test_the_limits_of_another_provider_are_named_with_their_place(value: Any, fault: str) -> None:
    with pytest.raises(PayloadNotSerializable) as caught:
        ApplicationJSON(Narrow(Flask(__name__))).dumps([value])
    assert str(caught.value) == f"The payload cannot be sent as JSON: {fault}. Convert it before sending."


def test_integers_of_any_size_are_sent_as_they_are() -> None:
    value = [2**53 + 1, -(2**63) - 1, 2**64, 10**300]
    assert loads(ApplicationJSON(Flask(__name__).json).dumps(value)) == value
