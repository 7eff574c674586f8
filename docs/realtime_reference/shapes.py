"""Types of the contract as the JSON that they stand for."""

from typing import Any

from flask_realtime.describe.schemas import Schema, Schemas, referred_name
from flask_realtime.describe.typescript import expression


def shape(kind: Any) -> str:
    """Return how a type of the contract looks as JSON, in the notation of TypeScript and without names for its parts."""
    schemas = Schemas()
    text = expression(_spelt_out(schemas.of(kind), schemas.named))
    return text.replace("Record<string, any>", "object")


def _spelt_out(part: Any, named: dict[str, Schema]) -> Any:
    if isinstance(part, list):
        return [_spelt_out(item, named) for item in part]
    if not isinstance(part, dict):
        return part
    name = referred_name(part)
    return _spelt_out(named[name], named) if name is not None else {key: _spelt_out(item, named) for key, item in part.items()}
