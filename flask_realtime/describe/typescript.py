"""TypeScript types of events, for Socket.IO's typed clients."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, Final

from flask_realtime.describe.events import Argument, Arguments, ClientEvent, Description, ServerEvent
from flask_realtime.describe.schemas import Schema, any_of, referred_name

HEADER: Final = """\
// Made by `flask realtime types`; do not edit.
/* eslint-disable */
"""

_SCALARS: Final = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_BINARY: Final = "ArrayBuffer | ArrayBufferView"
_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_CALLBACK: Final = "callback"
_WIDTH: Final = 100

# Words that cannot name a parameter in a module, and the callback's name. Python's own keywords cannot occur.
_TAKEN: Final = frozenset(
    "arguments case catch const debugger default delete do enum eval export extends function implements instanceof interface let "
    f"new null package private protected public static super switch this throw typeof var void {_CALLBACK}".split()
)


def typescript(description: Description) -> str:
    """Return a module with the types of all events."""
    clients = _interface("ClientToServerEvents", "Events that clients send.", map(_from_client, _with_errors(description)))
    servers = _interface("ServerToClientEvents", "Events that the server sends.", map(_from_server, description.server_events))
    named = [_declaration(name, schema) for name, schema in sorted(description.schemas.items())]
    return "\n".join([HEADER, *named, servers, clients]).rstrip("\n") + "\n"


def expression(schema: Schema | bool) -> str:  # noqa: FBT001 - JSON Schema's own spelling of "anything" and "nothing"
    """Return the type of the values that fit a JSON schema."""
    return " | ".join(dict.fromkeys(_members(schema)))


def _members(schema: Schema | bool) -> list[str]:  # noqa: FBT001 - see `expression`
    """Return the members of the union that a schema stands for."""
    if isinstance(schema, bool):
        return ["unknown" if schema else "never"]
    name = referred_name(schema)
    if name is not None:
        return [name]
    if "const" in schema or "enum" in schema:
        return [_literal(value) for value in schema.get("enum", [schema.get("const")])]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return [member for part in schema[several] for member in _members(part)]
    if "allOf" in schema:
        return [" & ".join(_grouped(part) for part in schema["allOf"])]
    return _members_by_type(schema)


def _members_by_type(schema: Schema) -> list[str]:
    kind = schema.get("type")
    if isinstance(kind, list):
        return [member for one in kind for member in _members_by_type({**schema, "type": one})]
    if kind == "object":
        return [_object(schema)]
    if kind == "array":
        return [_array(schema)]
    if kind == "string" and schema.get("format") == "binary":
        return _BINARY.split(" | ")
    return [_SCALARS.get(str(kind), "unknown")]


def _literal(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    inner = json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{inner}'"


def _grouped(schema: Schema | bool) -> str:  # noqa: FBT001 - see `expression`
    text = expression(schema)
    is_compound = len(_members(schema)) > 1 or (isinstance(schema, dict) and len(schema.get("allOf", ())) > 1)
    return f"({text})" if is_compound else text


def _array(schema: Schema) -> str:
    first = [_grouped(item) for item in schema.get("prefixItems", ())]
    rest = _grouped(schema.get("items", True)) + "[]"
    if not first:
        return rest
    # pydantic states a tuple's length, but not that nothing follows.
    is_closed = schema.get("maxItems") == len(first) or schema.get("items") is False
    return f"[{', '.join(first if is_closed else [*first, f'...{rest}'])}]"


def _object(schema: Schema) -> str:
    if "properties" in schema:
        return "{ " + ", ".join(text for _, text in _fields(schema)) + " }"
    values = schema.get("additionalProperties", True)
    # Fields without a schema are left to the application's own code.
    return f"Record<string, {'any' if values in (True, {}) else expression(values)}>"


def _fields(schema: Schema) -> Iterator[tuple[str, str]]:
    """Yield each field's description and declaration."""
    required = schema.get("required", ())
    for name, member in schema["properties"].items():
        description = member.get("description", "") if isinstance(member, dict) else ""
        yield description, f"{_key(name)}{'' if name in required else '?'}: {expression(member)}"
    if schema.get("additionalProperties"):
        yield "", "[name: string]: any"


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else _literal(name)


def _declaration(name: str, schema: Schema) -> str:
    comment = "".join(f"{line}\n" for line in _comment(schema.get("description", "")))
    if schema.get("type") == "object" and schema.get("properties"):
        lines = [line for about, text in _fields(schema) for line in [*_comment(about, "  "), f"  {text};"]]
        return f"{comment}export interface {name} {{\n" + "\n".join(lines) + "\n}\n"
    return f"{comment}export type {name} = {expression(schema)};\n"


def _interface(name: str, about: str, members: Iterable[list[str]]) -> str:
    lines = [line for member in members for line in member]
    return "\n".join([*_comment(about), f"export interface {name} {{", *lines, "}\n"])


def _with_errors(description: Description) -> Iterator[tuple[ClientEvent, Schema]]:
    for event in description.client_events:
        yield event, any_of([event.answer, description.error_answer])


def _from_client(event_and_answer: tuple[ClientEvent, Schema]) -> list[str]:
    event, answer = event_and_answer
    callback = f"{_CALLBACK}{'' if event.is_question else '?'}: (answer: {expression(answer)}) => void"
    return _member(event, event.arguments, callback)


def _from_server(event: ServerEvent) -> list[str]:
    return _member(event, event.arguments)


def _member(event: ClientEvent | ServerEvent, arguments: Arguments, *callback: str) -> list[str]:
    parameters = ["...args: any[]"] if arguments is None else [*map(_parameter, arguments), *callback]
    return [*_comment(event.purpose, "  "), f"  {_literal(event.name)}: ({', '.join(parameters)}) => void;"]


def _parameter(argument: Argument) -> str:
    name = f"{argument.name}_" if argument.name in _TAKEN else argument.name
    return f"{name}: {expression(argument.schema)}"


def _comment(text: str, indent: str = "") -> list[str]:
    paragraphs = text.replace("*/", "*\\/").strip().splitlines()
    lines = [line for paragraph in paragraphs for line in textwrap.wrap(paragraph, _WIDTH) or [""]]
    if len(lines) <= 1:
        return [f"{indent}/** {line} */" for line in lines]
    return [f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */"]
