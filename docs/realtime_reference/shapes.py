"""Types of the contract as the JSON that they stand for."""

import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

_SCALARS: dict[Any, str] = {str: "string", int: "number", float: "number", bool: "boolean", dict: "object"}


def shape(kind: Any) -> str:
    """Return how a type looks as JSON, in the notation of TypeScript.

    Args:
        kind: A type of the contract, or its name where that is how it is declared.

    Raises:
        TypeError: The type has no place in a contract of JSON.
    """
    if isinstance(kind, str):
        return shape(_named(kind))
    if is_typeddict(kind):
        return _object(kind)
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        return " | ".join(shape(member) for member in get_args(kind))
    if origin is Literal:
        return " | ".join(_literal(value) for value in get_args(kind))
    if origin is list:
        return _array(shape(get_args(kind)[0]))
    if (origin or kind) in _SCALARS:
        return _SCALARS[origin or kind]
    message = f"{kind!r} is no type of the contract"
    raise TypeError(message)


def _named(name: str) -> Any:
    members = [{"str": str, "int": int}[part.strip()] for part in name.split("|")]
    return Union[tuple(members)]  # noqa: UP007 - the members are not known before


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"'{value}'"


def _array(item: str) -> str:
    return f"({item})[]" if " | " in item and not item.startswith("{") else f"{item}[]"


def _object(kind: Any) -> str:
    fields = [
        f"{name}{'' if name in kind.__required_keys__ else '?'}: {shape(member)}" for name, member in get_type_hints(kind).items()
    ]
    return "{ " + ", ".join(fields) + " }"
