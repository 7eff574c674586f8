"""Error responses in the contract's form: `{"error": {"code", "message", "retryAfter"?}}`."""

from __future__ import annotations

import math
from http import HTTPStatus

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from flask_realtime.errors import BadRequest, NotFound, RateLimited

# Statuses whose code is not their own name.
CODES = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "payload_too_large",
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal_error",
}


def register_error_handlers(app: Flask) -> None:
    """Answer every error of the application in that form, including Flask's own."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(NotFound, _not_found)
    app.register_error_handler(BadRequest, _bad_request)
    app.register_error_handler(RateLimited, _rate_limited)


def error_response(status: int, message: str) -> Response:
    """Return the response for a status, with its error code."""
    name = HTTPStatus(status)
    code = CODES.get(name) or name.phrase.lower().replace(" ", "_")
    response = jsonify(error={"code": code, "message": message})
    response.status_code = status
    return response


def _http_error(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    response = error_response(status, error.description or HTTPStatus(status).phrase)
    # A 405 names the methods allowed.
    response.headers.extend((name, value) for name, value in error.get_headers() if name != "Content-Type")
    return response


def _not_found(error: NotFound) -> Response:
    return error_response(HTTPStatus.NOT_FOUND, error.message)


def _bad_request(error: BadRequest) -> Response:
    return error_response(HTTPStatus.BAD_REQUEST, error.message)


def _rate_limited(error: RateLimited) -> Response:
    response = jsonify(error={"code": error.code, "message": error.message, "retryAfter": error.retry_after})
    response.status_code = HTTPStatus.TOO_MANY_REQUESTS
    response.headers["Retry-After"] = str(math.ceil(error.retry_after or 0))
    return response
