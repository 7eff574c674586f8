"""Requests of features as an OpenAPI 3.1 document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple, is_typeddict

from flask_realtime.contract.answers import ErrorAnswer
from flask_realtime.contract.events import IncomingEvent
from flask_realtime.describe.schemas import Schema, Schemas
from flask_realtime.feature.feature import Feature
from flask_realtime.feature.routes import Route

Document = dict[str, Any]

_WITH_QUERY: Final = frozenset({"GET", "HEAD"})
_JSON: Final = "application/json"
_ABOUT: Final = (
    "Requests that do what the events of Socket.IO do: each draws on the same allowance of its user, and has the same handler."
)
_UNAUTHORISED: Final = "The request has no valid access token."


class _Operation(NamedTuple):
    feature: Feature[Any]
    route: Route
    event: IncomingEvent


def openapi(routes: Iterable[tuple[Feature[Any], Route]], *, title: str, version: str, prefix: str) -> Document:
    """Return the document.

    Args:
        routes: The routes, each with its feature.
        title: The name of the application.
        version: The version of its requests, which the application chooses.
        prefix: The prefix of their paths.
    """
    schemas = Schemas()
    error = schemas.of(ErrorAnswer)
    paths: dict[str, Document] = {}
    for feature, route in routes:
        operation = _Operation(feature, route, feature.incoming.get(route.name) or feature.requests[route.name])
        path = prefix + re.sub(r"<(\w+)>", r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(operation, schemas, error)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": _ABOUT},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.named.items())),
            "securitySchemes": {"accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"accessToken": []}],
    }


def _operation(operation: _Operation, schemas: Schemas, error: Schema) -> Document:
    feature, route, event = operation
    properties, required = _payload(event, schemas)
    own = {name: schema for name, schema in properties.items() if name not in route.variables}
    needed = [name for name in required if name not in route.variables and name not in route.optional]
    document: Document = {
        "operationId": _operation_id(route),
        "tags": [feature.section],
        "summary": event.summary.partition(". ")[0].rstrip("."),
        "description": event.summary,
        "parameters": [_path_parameter(name) for name in route.variables],
        "responses": _responses(operation, schemas, error),
    }
    if route.method in _WITH_QUERY:
        document["parameters"] += [
            {"name": name, "in": "query", "required": name in needed, "schema": schema} for name, schema in own.items()
        ]
    elif own:
        body: Schema = {"type": "object", "properties": own}
        if needed:
            body["required"] = needed
        document["requestBody"] = {"required": bool(needed), "content": {_JSON: {"schema": body}}}
    return document


def _payload(event: IncomingEvent, schemas: Schemas) -> tuple[Mapping[str, Schema], list[str]]:
    """Return the schemas of a payload's fields, and the names of the required ones."""
    if not is_typeddict(event.payload):
        return {}, []
    schema = schemas.unnamed(event.payload)
    return schema.get("properties", {}), schema.get("required", [])


def _path_parameter(name: str) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _responses(operation: _Operation, schemas: Schemas, error: Schema) -> Document:
    _, route, event = operation
    success: Document = {"description": HTTPStatus(route.status).phrase}
    if route.status != HTTPStatus.NO_CONTENT:
        success["content"] = {_JSON: {"schema": schemas.of(route.body_type or event.answer)}}
    return {
        str(route.status.value): success,
        str(HTTPStatus.UNAUTHORIZED.value): {"description": _UNAUTHORISED},
        "default": {"description": "The request was refused, or failed.", "content": {_JSON: {"schema": error}}},
    }


def _operation_id(route: Route) -> str:
    words: list[str] = re.findall(r"[A-Za-z]+", f"{route.method.lower()} {route.path}")
    return words[0] + "".join(word[0].upper() + word[1:] for word in words[1:])
