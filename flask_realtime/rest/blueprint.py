"""Blueprint with the routes of features."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from io import BytesIO
from time import monotonic
from typing import Any, Final

from flask import Blueprint, Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from flask_jwt_extended import get_current_user, get_jwt, get_jwt_identity, verify_jwt_in_request
from werkzeug.wsgi import LimitedStream

from flask_realtime.contract.json import loads
from flask_realtime.errors import BadRequest, EventError, PayloadTooLarge
from flask_realtime.extension import current_gateway
from flask_realtime.feature.feature import Feature
from flask_realtime.feature.routes import Route
from flask_realtime.gateway.requests import RequestCaller
from flask_realtime.identity import Identity
from flask_realtime.rest.responses import error_response
from flask_realtime.signatures import check_options

Authenticate = Callable[[], Identity]
"""Returns the identity of the user who sends the current request, or refuses it as a view does."""

_BEGAN: Final = "flask_realtime.began"
"""When a request began, in its environment."""

_WITH_QUERY: Final = frozenset({"GET", "HEAD"})


class RestBlueprint(Blueprint):
    """A blueprint that knows its routes, for their description.

    Attributes:
        routes: The routes, each with the feature that declares it.
    """

    routes: tuple[tuple[Feature[Any], Route], ...] = ()

    def prefix_in(self, app: Flask, name: str) -> str:
        """Return the prefix of the paths where an application has registered it under a name; it may be another than its own."""
        _, route = self.routes[0]
        rules = (rule.rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith(f"{name}."))
        return next(rule.removesuffix(route.path) for rule in rules if rule.endswith(route.path))


def rest_blueprint(
    name: str, features: Iterable[Feature[Any]], authenticate: Authenticate | None = None, *, url_prefix: str = "/api"
) -> RestBlueprint:
    """Make a blueprint with the routes of features.

    Args:
        name: The blueprint's name.
        features: The features.
        authenticate: Returns the identity of the user who sends a request, or refuses it; by default Flask-JWT-Extended verifies
            its access token.
        url_prefix: The prefix of the paths.

    Raises:
        RegistrationError: `authenticate` cannot be called without arguments.
    """
    check_options("rest_blueprint", {"authenticate": (authenticate, ())})
    blueprint = RestBlueprint(name, __name__, url_prefix=url_prefix)
    blueprint.routes = tuple((feature, route) for feature in features for route in feature.routes)
    blueprint.before_request(_begin)
    blueprint.after_request(_count)
    blueprint.after_request(_keep_private)
    identify = authenticate or identity_of_token
    for _, route in blueprint.routes:
        endpoint = f"{route.method.lower()}_{'_'.join(re.findall('[A-Za-z]+', route.path))}"
        blueprint.add_url_rule(route.path, endpoint, partial(_view, identify, route), methods=[route.method])
    return blueprint


def identity_of_token() -> Identity:
    """Return the identity of the user whose access token the current request has.

    Raises:
        JWTExtendedException: It has none that Flask-JWT-Extended accepts, which answers as the application's loaders say.
    """
    verify_jwt_in_request()
    claims = get_jwt()
    try:
        user = get_current_user()
    except RuntimeError:  # The application has no user_lookup_loader.
        user = None
    return Identity(str(get_jwt_identity()), claims, user, claims.get("exp"))


def _begin() -> None:
    request.environ[_BEGAN] = monotonic()


def _count(response: Response) -> Response:
    began = request.environ.get(_BEGAN)
    if began is not None and request.url_rule is not None:  # Else the application answered before this blueprint was asked.
        route = f"{request.method} {request.url_rule.rule}"
        current_gateway().counts.request_took(route, response.status_code, monotonic() - began)
    return response


def _keep_private(response: Response) -> Response:
    """Keep what a user may see out of caches, and from being taken for anything else; the application may say otherwise."""
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response


def _view(identify: Authenticate, route: Route, **variables: str) -> ResponseReturnValue:
    try:
        caller = RequestCaller(identify(), request.remote_addr or "")
        payload = route.prepare({**_payload(), **variables})
        answer = current_gateway().requests.perform(caller, route.name, payload)
    except EventError as error:
        return error_response(error)
    if route.status == HTTPStatus.NO_CONTENT:
        return Response(status=route.status)
    response = current_app.json.response(route.body(answer))
    response.status_code = route.status
    return response


def _payload() -> dict[str, Any]:
    """Return what a request's query or body holds.

    Raises:
        BadRequest: The body is no JSON object.
        PayloadTooLarge: The body is larger than what is accepted.
    """
    if request.method in _WITH_QUERY:
        return request.args.to_dict()
    data = _body()
    if not data:
        return {}
    try:
        payload = loads(data.decode("utf-8"))
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        msg = "The body must be a JSON object"
        raise BadRequest(msg)
    return payload


def _body() -> bytes:
    """Return the body, of which no more is read than is accepted.

    Raises:
        PayloadTooLarge: It is larger than an event may be, or than the application's `MAX_CONTENT_LENGTH`.
    """
    most = min(current_gateway().config.max_payload_bytes, request.max_content_length or sys.maxsize)
    length = request.content_length
    if length is None and "wsgi.input_terminated" in request.environ:  # It is chunked, and ends where the client wants.
        start = LimitedStream(request.environ["wsgi.input"], most + 1, is_max=True).read()
        request.environ["wsgi.input"] = BytesIO(start)
        length = len(start)
    if (length or 0) > most:
        msg = f"A request may have at most {most} bytes"
        raise PayloadTooLarge(msg)
    return request.get_data()
