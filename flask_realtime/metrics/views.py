"""The page of metrics, and who may see it."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final

from flask import Blueprint, Flask, Response, current_app, request
from flask.sansio.blueprints import BlueprintSetupState
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from flask_realtime.extension import current_gateway, gateway_of
from flask_realtime.gateway.scrape.asking import Answers
from flask_realtime.metrics.collector import AnswersCollector

PATH: Final = "/metrics"
TOKEN_KEY: Final = "METRICS_TOKEN"  # noqa: S105 - the name of a setting

_FORWARDED: Final = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")
"""Headers of a request that came through a proxy, whose address is not the client's."""


def metrics_blueprint() -> Blueprint:
    """Make a blueprint that serves the metrics of all workers of this machine at `/metrics`.

    Requests from a loopback address are answered unless a proxy sent them, and those with the bearer token in the application's
    `METRICS_TOKEN`. Others get 401 if there is a token, and 404 if there is none.

    Register it after `Realtime.init_app`.
    """
    blueprint = Blueprint("realtime_metrics", __name__)
    blueprint.record(_enable)
    blueprint.add_url_rule(PATH, "metrics", _view)
    return blueprint


def _enable(state: BlueprintSetupState) -> None:
    app = state.app
    if isinstance(app, Flask):
        gateway_of(app).workers.enable()


def _view() -> Response:
    return answer(current_gateway().workers.ask)


def answer(ask: Callable[[], Answers]) -> Response:
    """Answer the current request with metrics, or refuse it.

    Args:
        ask: Asks the workers.
    """
    token = current_app.config.get(TOKEN_KEY)
    if not (_is_local() or (token and _has_token(str(token)))):
        return _refusal(has_token=bool(token))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(AnswersCollector(ask()))
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(registry), headers={"Content-Type": content_type, "Cache-Control": "no-store"})


def _is_local() -> bool:
    """Return whether a request comes from this machine, and from no proxy on it.

    ProxyFix has put the client's address in the place of the proxy's, where it is used; the headers stay, and say that the client
    is not the one that connected.
    """
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _has_token(token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _refusal(*, has_token: bool) -> Response:
    if has_token:
        text = f"Metrics need the bearer token in {TOKEN_KEY}.\n"
        headers = {"WWW-Authenticate": 'Bearer realm="metrics"'}
        return Response(text, HTTPStatus.UNAUTHORIZED, headers, content_type="text/plain; charset=utf-8")
    return Response("Not found.\n", HTTPStatus.NOT_FOUND, content_type="text/plain; charset=utf-8")
