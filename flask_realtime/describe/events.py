"""Events of an application: the contract's, and those that it declared itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args, get_type_hints

from flask_realtime.contract.answers import ERROR_EVENT, READY_EVENT, Acknowledgement, ErrorAnswer, RefusalData
from flask_realtime.contract.events import IncomingEvent, OutgoingEvent
from flask_realtime.describe.schemas import ANYTHING, Schema, Schemas, any_of
from flask_realtime.feature.feature import Feature
from flask_realtime.hooks import ApplicationEvent

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NONE = type(None)


@dataclass(frozen=True)
class Argument:
    """An argument of an event."""

    name: str
    schema: Schema


Arguments: TypeAlias = "tuple[Argument, ...] | None"
"""None if their number is not fixed."""


@dataclass(frozen=True)
class ClientEvent:
    """An event that clients send.

    Args:
        name: The event's name.
        purpose: Its effect.
        arguments: Its arguments.
        answer: The answer for the callback when the event succeeds.
        is_question: Whether the event is sent for its answer, and so always with a callback.
    """

    name: str
    purpose: str
    arguments: Arguments
    answer: Schema
    is_question: bool


@dataclass(frozen=True)
class ServerEvent:
    """An event that the server sends; see `ClientEvent`."""

    name: str
    purpose: str
    arguments: Arguments


@dataclass(frozen=True)
class Description:
    """The description of an application's events.

    Args:
        client_events: The events that clients send.
        server_events: The events that the server sends.
        error_answer: The answer for the callback when an event fails.
        schemas: Every schema that others refer to, by its name.
    """

    client_events: tuple[ClientEvent, ...]
    server_events: tuple[ServerEvent, ...]
    error_answer: Schema
    schemas: dict[str, Schema]


def describe(features: Iterable[Feature[Any]], declared: Iterable[ApplicationEvent]) -> Description:
    """Describe the events of features, and those that an application declared without one."""
    schemas = Schemas()
    schemas.of(RefusalData)
    error_answer = schemas.of(ErrorAnswer)
    ordered = list(features)
    clients = [_client_event(schemas, event) for feature in ordered for event in feature.incoming.values()]
    outgoing = [event for feature in ordered for event in feature.outgoing_events.values()]
    servers = [_server_event(schemas, event) for event in [*outgoing, READY_EVENT, ERROR_EVENT]]
    clients += [_declared_event(schemas, event) for event in declared]
    return Description(tuple(clients), tuple(servers), error_answer, schemas.named)


def _client_event(schemas: Schemas, event: IncomingEvent) -> ClientEvent:
    answer = schemas.of(event.answer)
    arguments = _arguments(schemas, event.argument, event.payload)
    return ClientEvent(event.name, event.summary, arguments, answer, event.answer is not Acknowledgement)


def _server_event(schemas: Schemas, event: OutgoingEvent[Any]) -> ServerEvent:
    summary = f"{event.summary} Sent to {event.audience}."
    return ServerEvent(event.name, summary, _arguments(schemas, event.argument, event.payload))


def _arguments(schemas: Schemas, name: str, payload: Any) -> tuple[Argument, ...]:
    return () if payload is None else (Argument(name, schemas.of(payload)),)


def _declared_event(schemas: Schemas, event: ApplicationEvent) -> ClientEvent:
    purpose = " ".join((inspect.getdoc(event.handler) or "").partition("\n\n")[0].split())
    # Arguments come first: if a type is also an answer with another schema, the arguments keep the name without a number.
    arguments = _declared_arguments(schemas, event)
    return ClientEvent(event.name, purpose, arguments, _declared_answer(schemas, event.handler), is_question=False)


def _declared_arguments(schemas: Schemas, event: ApplicationEvent) -> Arguments:
    _identity, *parameters = event.signature.parameters.values()
    if event.payload is not None:
        name = parameters[0].name if parameters else "payload"
        return (Argument(name, schemas.of_payload(event.payload)),)
    if any(parameter.kind not in _POSITIONAL or parameter.default is not parameter.empty for parameter in parameters):
        return None
    return tuple(Argument(parameter.name, ANYTHING) for parameter in parameters)


def _declared_answer(schemas: Schemas, handler: Callable[..., Any]) -> Schema:
    try:
        kind = get_type_hints(handler, include_extras=True).get("return", object)
    except (NameError, TypeError):  # A name imported for type checkers only, or a callable without annotations.
        return ANYTHING
    # None becomes an acknowledgement, also as a member of a union.
    members = get_args(kind) if _NONE in get_args(kind) else (kind,)
    return any_of(schemas.of(Acknowledgement if member is _NONE else member) for member in members)
