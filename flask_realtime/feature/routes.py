"""Routes: HTTP requests that do what an event does, or what no event does.

A request is handled like an event: the path's variables, the query or the JSON body are its payload, which the same parser checks,
it draws on the same allowance of its user, and the same handler answers it. A feature declares its routes in `views.py`::

    feature.add_routes(Route("PATCH", "/conversations/<conversationId>/messages/<messageId>", "message:edit"))

    @feature.request("GET", "/conversations/<conversationId>/messages", payload=PageQuery, parse=parse_page, answer=MessagesPage)
    def page(state, caller, request): ...

The values of a query, and of a path's variables, are text. A handler's caller has no connection then: its `id` is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

_VARIABLE: Final = re.compile(r"<(\w+)>")


Payload = dict[str, Any]


def same_payload(payload: Payload) -> Payload:
    """Return a request's payload as it is."""
    return payload


def whole_answer(answer: Any) -> Any:
    """Return an event's answer as it is, for the body of a response."""
    return answer


@dataclass(frozen=True)
class Route:
    """A request that does what an event does.

    Args:
        method: The HTTP method.
        path: The path below the prefix of the application, with fields of the payload as variables: `/things/<thingId>`.
        name: The event, or the name of a request that no event does.
        status: The status of a successful response.
        body: Returns the response's body for the event's answer; one with the status 204 has none.
        body_type: The type of that body, for OpenAPI; None where it is the event's answer.
        prepare: Adds to a request's payload what the event requires and the request may leave out.
        optional: These fields.
    """

    method: str
    path: str
    name: str
    status: HTTPStatus = HTTPStatus.OK
    body: Callable[[Any], Any] = whole_answer
    body_type: Any = None
    prepare: Callable[[Payload], Payload] = same_payload
    optional: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the fields of the payload that are in the path."""
        return tuple(_VARIABLE.findall(self.path))
