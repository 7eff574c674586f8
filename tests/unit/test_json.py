"""Strict JSON in both directions."""

import dataclasses
import datetime as dt
import decimal
import json
import uuid
from typing import Any

import pytest
from flask import Flask
from flask.json.provider import JSONProvider

from flask_realtime.contract.json import ApplicationJSON, loads
from flask_realtime.errors import PayloadNotSerializable


@dataclasses.dataclass
class Point:
    x: int


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
