"""Responses with errors, in the contract's form: `{"error": {"code", "message", "retryAfter"?}}`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from flask import Response, jsonify

from flask_realtime.contract.answers import error_answer
from flask_realtime.errors import EventError

STATUSES: Final[Mapping[str, HTTPStatus]] = {
    "bad_request": HTTPStatus.BAD_REQUEST,
    "forbidden": HTTPStatus.FORBIDDEN,
    "not_found": HTTPStatus.NOT_FOUND,
    "unknown_event": HTTPStatus.NOT_FOUND,
    "not_joined": HTTPStatus.CONFLICT,
    "too_many_rooms": HTTPStatus.CONFLICT,
    "payload_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "rate_limited": HTTPStatus.TOO_MANY_REQUESTS,
    "internal_error": HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Statuses of the errors' codes; a code of the application's own is one of a refusal."""


def error_response(error: EventError) -> Response:
    """Return the response to a request that was refused, or failed."""
    response = jsonify(error_answer(error))
    response.status_code = STATUSES.get(error.code, HTTPStatus.FORBIDDEN)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(math.ceil(error.retry_after))
    return response
