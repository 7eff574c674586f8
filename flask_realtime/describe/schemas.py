"""JSON Schema of Python types.

The contract's own types are turned into schemas here, so that describing it needs nothing installed. An application's types are
left to pydantic, which is installed when payload types are declared.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints, is_typeddict

Schema: TypeAlias = "dict[str, Any]"
Mode: TypeAlias = Literal["validation", "serialization"]

ANYTHING: Final[Schema] = {}
"""The schema of a value that is not described."""

_REFERENCE = "#/components/schemas/"
_SCALARS: Final = ((str, "string"), (int, "integer"), (float, "number"), (bool, "boolean"), (type(None), "null"))


def referred_name(schema: Schema) -> str | None:
    """Return the name of the schema that this one refers to, or None."""
    reference = schema.get("$ref")
    return None if reference is None else str(reference).removeprefix(_REFERENCE)


def any_of(schemas: Iterable[Schema]) -> Schema:
    """Return the schema of a value that fits one of several schemas."""
    several = list(schemas)
    if ANYTHING in several:
        return ANYTHING
    return several[0] if len(several) == 1 else {"anyOf": several}


class Schemas:
    """Builds schemas, and keeps those that have a name.

    Names are identifiers. Two types of one name are told apart by a number.
    """

    def __init__(self) -> None:
        self.named: dict[str, Schema] = {}
        self._sources: dict[str, Any] = {}
        self._by_origin: dict[Any, Callable[[tuple[Any, ...]], Schema]] = {
            Union: lambda members: any_of(self.of(member) for member in members),
            types.UnionType: lambda members: any_of(self.of(member) for member in members),
            Literal: lambda values: {"const": values[0]} if len(values) == 1 else {"enum": list(values)},
            list: lambda members: {"type": "array", "items": self.of(members[0])},
            dict: lambda members: {"type": "object", "additionalProperties": self.of(members[1]) or True},
        }

    def of(self, kind: Any) -> Schema:
        """Return the schema of a value that the server sends.

        Args:
            kind: A type of the contract, or an application's declared type of an answer. A type that cannot be described gives
                `ANYTHING`.
        """
        if isinstance(kind, str):
            return self.of(_resolved(kind))
        if kind is Any or kind is object:
            return ANYTHING
        if is_typeddict(kind):
            return self._typed_dict(kind)
        for scalar, name in _SCALARS:  # Not a dictionary look-up: metadata of an application's types need not be hashable.
            if kind is scalar:
                return {"type": name}
        arguments, make = get_args(kind), self._by_origin.get(get_origin(kind))
        return make(arguments) if make is not None else self._by_pydantic(kind, "serialization")

    def of_payload(self, kind: Any) -> Schema:
        """Return the schema of a payload that clients send, as the application declared it."""
        return self._by_pydantic(kind, "validation")

    def unnamed(self, kind: Any) -> Schema:
        """Return the schema of an object, a typed dictionary, in full; a type that cannot be described gives `ANYTHING`."""
        try:
            members = get_type_hints(kind)
        except NameError:  # A name imported for type checkers only.
            return ANYTHING
        schema: Schema = {"type": "object"}
        if kind.__doc__:
            schema["description"] = inspect.cleandoc(kind.__doc__)
        schema["properties"] = {name: self.of(member) for name, member in members.items()}
        schema["required"] = [name for name in schema["properties"] if name in kind.__required_keys__]
        return schema

    def _typed_dict(self, kind: Any) -> Schema:
        try:
            get_type_hints(kind)
        except NameError:  # Without properties, a name would stand for nothing.
            return ANYTHING
        return self._keep({kind.__name__: (kind, lambda _names: self.unnamed(kind))})[kind.__name__]

    def _by_pydantic(self, kind: Any, mode: Mode) -> Schema:
        try:
            from pydantic import TypeAdapter  # noqa: PLC0415 - only applications that declare payload types need pydantic
            from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError  # noqa: PLC0415 - as above
        except ImportError:
            return ANYTHING
        try:
            # This form of the call returns every named type as a definition.
            made, also = TypeAdapter.json_schemas([("it", mode, TypeAdapter(kind))], ref_template=_REFERENCE + "{model}")
        except (PydanticUserError, PydanticUndefinedAnnotation):
            return ANYTHING
        schema, definitions = made["it", mode], also.get("$defs", {})
        if mode == "serialization":
            schema, definitions = _without_formats(schema), _without_formats(definitions)
        return self._adopted(schema, definitions)

    def _adopted(self, schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
        """Keep the definitions of a pydantic schema, and return the schema with the names that they have here."""
        kept = self._keep({name: (body, _renaming(body)) for name, body in definitions.items()})
        names = {name: reference["$ref"] for name, reference in kept.items()}
        renamed: Schema = _renaming(schema)(names)
        return renamed

    def _keep(self, definitions: Mapping[str, tuple[Any, Callable[[Mapping[str, str]], Schema]]]) -> dict[str, Schema]:
        """Keep new definitions, and return references. All are named before any is built, since references may be circular."""
        before = set(self._sources)
        names = {name: self._name(name, source) for name, (source, _) in definitions.items()}
        references = {name: _REFERENCE + kept for name, kept in names.items()}
        for name, (_, make) in definitions.items():
            if names[name] not in before:
                self.named[names[name]] = make(references)
        return {name: {"$ref": reference} for name, reference in references.items()}

    def _name(self, wanted: str, source: Any) -> str:
        name = base = re.sub(r"^(?=\d)", "_", re.sub(r"\W", "", wanted, flags=re.ASCII)) or "Type"
        number = 1
        while self._sources.setdefault(name, source) != source:
            number += 1
            name = f"{base}{number}"
        return name


def _resolved(name: str) -> Any:
    """Return the type that a name such as `WireId` stands for; `object` if that is not one of Python's own."""
    holder = type("Holder", (), {"__annotations__": {"kind": name}})
    try:
        return get_type_hints(holder)["kind"]
    except NameError:
        return object


def _renaming(schema: Any) -> Callable[[Mapping[str, str]], Any]:
    def rename(references: Mapping[str, str], part: Any = schema) -> Any:
        if isinstance(part, list):
            return [rename(references, item) for item in part]
        if not isinstance(part, dict):
            return part
        return {
            key: references.get(str(item).removeprefix(_REFERENCE), item) if key == "$ref" else rename(references, item)
            for key, item in part.items()
        }

    return rename


def _without_formats(schema: Any) -> Any:
    """Drop formats of text, since the application's JSON provider writes answers; binary data stays as it is."""
    if isinstance(schema, list):
        return [_without_formats(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_formats(item)
        for key, item in schema.items()
        if key != "format" or not isinstance(item, str) or item == "binary"
    }
