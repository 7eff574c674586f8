"""Strict JSON in both directions.

JavaScript's parser refuses `NaN` and `Infinity`, and a client that receives one drops its connection. Python's parser and writer
allow them; this module refuses them in both directions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]
from typing import Any

import orjson
from flask.json.provider import DefaultJSONProvider, JSONProvider

from flask_realtime.contract.json_faults import FAULTS, FaultFinder
from flask_realtime.errors import PayloadNotSerializable

_LONG_INTEGER = re.compile("[0-9]{19}")
_MAX_INTEGER_DIGITS = 1000


def loads(document: str) -> Any:
    """Decode strict JSON.

    Args:
        document: The JSON text.

    Raises:
        ValueError: The text is not JSON, or holds a number out of range, a lone surrogate, or too deep a nesting.
    """
    if _LONG_INTEGER.search(document):
        # orjson turns integers over 64 bits into floats, which would change an id.
        return _loads_exactly(document)
    return orjson.loads(document)


def _loads_exactly(document: str) -> Any:
    orjson.loads(document)  # Covers everything that it refuses.
    return json.loads(document, parse_int=_bounded_integer)


def _bounded_integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_DIGITS:
        msg = "an integer is too large"
        raise ValueError(msg)
    return int(text)


class ApplicationJSON:
    """Writes strict JSON with the types that the application's own JSON provider can serialise.

    It has the two functions that python-socketio's packets need of a JSON module.

    Args:
        provider: The application's `app.json`.
    """

    encode: Callable[[object], str]
    """Encodes a value, or raises one of `FAULTS`, for `refusal`."""

    def __init__(self, provider: JSONProvider) -> None:
        self.encode = _encoder(provider) if isinstance(provider, DefaultJSONProvider) else partial(_encode_with, provider)
        self._faults = FaultFinder(self.encode, provider.default if isinstance(provider, DefaultJSONProvider) else None)

    def dumps(self, value: object, **_options: object) -> str:
        """Encode a value.

        Raises:
            PayloadNotSerializable: The provider cannot serialise the value, or it holds a number or text that JSON does not allow.
        """
        try:
            return self.encode(value)
        except FAULTS as error:
            raise self.refusal(value if isinstance(value, list) else [value], error) from error

    def refusal(self, args: Sequence[Any], error: Exception) -> PayloadNotSerializable:
        """Return the error for the arguments of an event or of an answer that cannot be encoded.

        Args:
            args: The arguments.
            error: The exception that `encode` raised.
        """
        fault = self._faults.find(args, error)
        return PayloadNotSerializable(f"The payload cannot be sent as JSON: {fault}. Convert it before sending.")

    @staticmethod
    def loads(document: str, **_options: object) -> Any:
        """Decode strict JSON; see `loads`."""
        return loads(document)


def _encode_with(provider: JSONProvider, value: object) -> str:
    text = provider.dumps(value)
    loads(text)
    return text


def _encoder(provider: DefaultJSONProvider) -> Callable[[object], str]:
    chunks: Any
    if c_make_encoder is None:  # On Pythons other than CPython.
        options: dict[str, Any] = {"default": provider.default, "allow_nan": False, "ensure_ascii": False, "separators": (",", ":")}
        chunks = json.JSONEncoder(**options).iterencode
    else:
        # `json.dumps` creates this object for every call, which takes longer than encoding most payloads.
        chunks = c_make_encoder(None, provider.default, encode_basestring, None, ":", ",", False, False, False)  # noqa: FBT003

    def encode(value: object) -> str:
        text = "".join(chunks(value, 0))
        if not text.isascii():
            text.encode()  # A lone surrogate would otherwise fail later, inside the transport.
        return text

    return encode
