"""Strict JSON in both directions.

JavaScript's parser refuses `NaN` and `Infinity`, and a client that receives one drops its connection; Python's parser and writer
let them through. So neither direction does here.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from flask.json.provider import DefaultJSONProvider, JSONProvider

from flask_realtime.errors import PayloadNotSerializable

_MAX_INTEGER_DIGITS = 100


def _refuse_constant(text: str) -> NoReturn:
    msg = f"{text} is not JSON"
    raise ValueError(msg)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        msg = "a number is out of range"
        raise ValueError(msg)
    return number


def _bounded_integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_DIGITS:
        msg = "an integer is too large"
        raise ValueError(msg)
    return int(text)


def _refuse_lone_surrogates(document: str, value: object) -> None:
    if "\\ud" in document.lower():
        json.dumps(value, ensure_ascii=False).encode()


def loads(document: str) -> Any:
    """Decode strict JSON.

    Args:
        document: The JSON text.

    Raises:
        ValueError: The text is not JSON, or holds a number out of range, a lone surrogate, or too deep a nesting.
    """
    try:
        value = json.loads(document, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_bounded_integer)
        _refuse_lone_surrogates(document, value)
    except RecursionError:
        msg = "the nesting is too deep"
        raise ValueError(msg) from None
    return value


class ApplicationJSON:
    """Writes strict JSON with the types that the application's own JSON provider can serialise.

    It has the two functions that python-socketio's packets want of a JSON module.

    Args:
        provider: The application's `app.json`.
    """

    def __init__(self, provider: JSONProvider) -> None:
        self._provider = provider

    def dumps(self, value: object, **_options: object) -> str:
        """Encode a value.

        Raises:
            PayloadNotSerializable: The provider cannot serialise the value, or it holds a number or text that JSON has not.
        """
        try:
            text = self._encode(value)
            if not text.isascii():
                text.encode()  # A lone surrogate would fail later, inside the transport.
        except (TypeError, ValueError, RecursionError) as error:
            msg = f"The payload cannot be sent as JSON: {error}"
            raise PayloadNotSerializable(msg) from error
        return text

    def _encode(self, value: object) -> str:
        if isinstance(self._provider, DefaultJSONProvider):
            default = self._provider.default
            return json.dumps(value, default=default, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        text = self._provider.dumps(value)
        loads(text)
        return text

    @staticmethod
    def loads(document: str, **_options: object) -> Any:
        """Decode strict JSON; see `loads`."""
        return loads(document)
