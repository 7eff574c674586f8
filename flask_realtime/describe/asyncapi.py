"""Events as an AsyncAPI 3.0 document, from the server's side: it receives what clients send."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from flask_realtime.describe.events import Arguments, ClientEvent, Description, ServerEvent
from flask_realtime.describe.schemas import Schema, any_of

Document = dict[str, Any]

_CHANNEL: Final = "namespace"
_ABOUT: Final = (
    "Events over Socket.IO (Engine.IO 4, Socket.IO protocol 5), in the default namespace. An event's only argument is the payload "
    "of its message; if it has several, the payload is the list of them. The answer to an event is passed to the callback that "
    "the client sent with it."
)
_AUTHENTICATION: Final = (
    "An access token, sent as `auth.token` with the Socket.IO connection, or in the header `Authorization`. A connection that is "
    "refused gets `connect_error`, with `RefusalData` as the error's `data`."
)


def asyncapi(description: Description, *, title: str, version: str, path: str) -> Document:
    """Return the document.

    Args:
        description: The events.
        title: The name of the application.
        version: The version of its events, which the application chooses.
        path: The path at which it serves Socket.IO.
    """
    names = _Names()
    clients = [(names.of(event.name), event) for event in description.client_events]
    servers = [(names.of(event.name), event) for event in description.server_events]
    messages = dict([*_client_messages(clients, description.error_answer), *_server_messages(servers)])
    operations = {**dict(map(_receiving, clients)), **dict(map(_sending, servers))}
    document = {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": version, "description": _ABOUT},
        "defaultContentType": "application/json",
        "servers": {"server": _server(path)},
        "channels": {_CHANNEL: {"address": "/", "title": "The default namespace", "messages": messages}},
        "operations": operations,
        "components": {
            "schemas": dict(sorted(description.schemas.items())),
            "securitySchemes": {"accessToken": _security()},
        },
    }
    older: Document = _in_older_terms(document)
    return older


class _Names:
    """Makes names of events into names of operations and messages: `join:conversation` into `joinConversation`."""

    def __init__(self) -> None:
        self._events: dict[str, str] = {}

    def of(self, event: str) -> str:
        words: list[str] = re.findall(r"[^\W_]+", event) or ["event"]
        name = base = words[0] + "".join(word[0].upper() + word[1:] for word in words[1:])
        number = 1
        while self._events.setdefault(name, event) != event:
            number += 1
            name = f"{base}{number}"
        return name


def _server(path: str) -> Document:
    return {
        "host": "{host}",
        "pathname": path,
        "protocol": "ws",
        "variables": {"host": {"default": "localhost:5000", "description": "The server's name, and its port."}},
        "security": [{"$ref": "#/components/securitySchemes/accessToken"}],
    }


def _security() -> Document:
    return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": _AUTHENTICATION}


def _client_messages(clients: list[tuple[str, ClientEvent]], error_answer: Schema) -> Iterator[tuple[str, Document]]:
    for name, event in clients:
        yield f"{name}.fromClient", _message(event)
        yield f"{name}.answer", {"name": event.name, "payload": any_of([event.answer, error_answer])}


def _server_messages(servers: list[tuple[str, ServerEvent]]) -> Iterator[tuple[str, Document]]:
    for name, event in servers:
        yield f"{name}.fromServer", _message(event)


def _message(event: ClientEvent | ServerEvent) -> Document:
    return {"name": event.name, **_summary(event), **_payload(event.arguments)}


def _summary(event: ClientEvent | ServerEvent) -> Document:
    return {"summary": event.purpose} if event.purpose else {}


def _payload(arguments: Arguments) -> Document:
    if not arguments:
        return {}
    schemas = [argument.schema for argument in arguments]
    return {"payload": schemas[0] if len(schemas) == 1 else {"type": "array", "items": schemas, "additionalItems": False}}


def _receiving(name_and_event: tuple[str, ClientEvent]) -> tuple[str, Document]:
    name, event = name_and_event
    return f"receive.{name}", {
        "action": "receive",
        "channel": _channel(),
        "title": event.name,
        "messages": [_channel(f"{name}.fromClient")],
        "reply": {"channel": _channel(), "messages": [_channel(f"{name}.answer")]},
    }


def _sending(name_and_event: tuple[str, ServerEvent]) -> tuple[str, Document]:
    name, event = name_and_event
    return f"send.{name}", {
        "action": "send",
        "channel": _channel(),
        "title": event.name,
        "messages": [_channel(f"{name}.fromServer")],
    }


def _channel(message: str | None = None) -> Document:
    of_message = "" if message is None else f"/messages/{message}"
    return {"$ref": f"#/channels/{_CHANNEL}{of_message}"}


def _in_older_terms(part: Any) -> Any:
    """Convert pydantic's newer JSON Schema, and OpenAPI's keywords, to draft 7, which AsyncAPI 3.0 supports."""
    if isinstance(part, list):
        return [_in_older_terms(item) for item in part]
    if not isinstance(part, dict):
        return part
    terms = {key: _in_older_terms(item) for key, item in part.items()}
    if isinstance(terms.get("prefixItems"), list):
        rest = terms.pop("items", True)
        terms.update(items=terms.pop("prefixItems"), additionalItems=rest)
    match terms:
        case {"discriminator": {"propertyName": str() as name}}:
            terms["discriminator"] = name
    return terms
