"""How the application is asked which tokens it has revoked, where one server and one process show it best."""

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

from flask import has_app_context
from flask_jwt_extended import JWTManager, create_access_token

from flask_realtime import Realtime
from flask_realtime.testing import RealtimeTestClient
from tests.integration.conftest import Connect, MakeApp

SECONDS = 10.0
CONNECTIONS = 150
OFTEN = {"REALTIME_REVOCATION_INTERVAL": 0.05}


def token_id(realtime: Realtime, client: RealtimeTestClient) -> str:
    """The `jti` of the token with which a client connected."""
    connection = realtime._gateway()._registry.get(client.id or "")
    assert connection is not None
    return str(connection.identity.claims["jti"])


def test_one_question_covers_a_hundred_connections_at_most(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(**OFTEN, REALTIME_MAX_CONNECTIONS_PER_USER=CONNECTIONS, REALTIME_MAX_CONNECTS_PER_USER=None)
    realtime, revoked, done = Realtime(app), set[str](), threading.Event()
    rounds: list[int] = []

    @realtime.revoked_tokens
    def asked(token_ids: Sequence[str]) -> set[str]:
        assert has_app_context()
        rounds.append(len(token_ids))
        if revoked:
            done.set()
        return revoked

    with ExitStack() as stack:
        clients = [stack.enter_context(connect(app, "ann")) for _ in range(CONNECTIONS)]
        revoked |= {token_id(realtime, client) for client in clients[::2]}
        clients[0]._wait(lambda: not any(client.is_connected for client in clients[::2]), SECONDS, "the ends")
        assert done.is_set()
        assert max(rounds) <= 100
        assert all(client.call("user:get-status", "ann")["status"] == "online" for client in clients[1:20:2])


def test_an_answer_that_is_no_list_is_reported_and_ends_nothing(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(**OFTEN)
    realtime, reported = Realtime(app), []
    realtime.on_error(lambda error, event, identity: reported.append((type(error), event, identity)))
    realtime.revoked_tokens(lambda token_ids: token_ids[0])
    with connect(app, "ann") as ann:
        ann._wait(lambda: bool(reported), SECONDS, "a report")
        assert reported[0] == (TypeError, None, None)
        ann.assert_nothing("auth:expired")


def test_a_loader_that_fails_for_one_is_still_asked_about_the_others(make_app: MakeApp, connect: Connect) -> None:
    app, broken, revoked = make_app(**OFTEN), set[str](), set[str]()
    manager: JWTManager = app.extensions["flask-jwt-extended"]
    realtime, reported = Realtime(app), []
    realtime.on_error(lambda error, _event, _identity: reported.append(error))

    @manager.token_in_blocklist_loader
    def is_revoked(header: dict[str, Any], claims: dict[str, Any]) -> bool:
        assert header == {"alg": "HS256", "typ": "JWT"}
        if claims["jti"] in broken:
            raise RuntimeError("no")
        return claims["jti"] in revoked

    with connect(app, "ann") as ann, connect(app, "ben") as ben, connect(app, "eve") as eve:
        broken.add(token_id(realtime, ann))
        revoked.add(token_id(realtime, ben))
        eve._wait(lambda: not ben.is_connected, SECONDS, "the end")
        eve._wait(lambda: bool(reported), SECONDS, "a report")
        assert {str(error) for error in reported} == {"no"}
        assert ann.call("user:get-status", "eve")["status"] == "online"


def test_two_that_fail_in_one_round_are_one_report(make_app: MakeApp, connect: Connect) -> None:
    app = make_app(**OFTEN)
    manager: JWTManager = app.extensions["flask-jwt-extended"]
    realtime, reported, broken = Realtime(app), list[Exception](), set[str]()
    realtime.on_error(lambda error, _event, _identity: reported.append(error))
    asked: list[str] = []

    @manager.token_in_blocklist_loader
    def is_revoked(_header: dict[str, Any], claims: dict[str, Any]) -> bool:
        if claims["jti"] in broken:
            asked.append(claims["jti"])
            raise RuntimeError("no")
        return False

    with connect(app, "ann") as ann, connect(app, "ben") as ben:
        both = [token_id(realtime, client) for client in (ann, ben)]
        broken.update(both)
        ann._wait(lambda: min(map(asked.count, both)) >= 5, SECONDS, "five rounds")
        assert len(reported) <= max(map(asked.count, both))


def test_a_token_that_is_replaced_while_it_is_asked_about_ends_nothing(make_app: MakeApp, connect: Connect) -> None:
    app, clients, rounds, answers = make_app(**OFTEN), list[RealtimeTestClient](), list[Sequence[str]](), list[Any]()
    realtime = Realtime(app)
    with app.app_context():
        second = create_access_token("ann")

    @realtime.revoked_tokens
    def asked(token_ids: Sequence[str]) -> Sequence[str]:
        rounds.append(token_ids)
        if not clients:
            return ()
        if not answers:
            answers.append(clients[0].call("auth:refresh", second))
            return token_ids
        return ()

    with connect(app, "ann") as ann:
        clients.append(ann)
        ann._wait(lambda: bool(answers), SECONDS, "an answer")
        assert "expiresAt" in answers[0]
        count = len(rounds)
        ann._wait(lambda: len(rounds) > count + 1, SECONDS, "a round after that one")
        assert ann.call("user:get-status", "ann")["status"] == "online"


def test_the_loader_gets_the_new_tokens_header(make_app: MakeApp, connect: Connect) -> None:
    app, revoked_keys = make_app(**OFTEN), set[str]()
    manager: JWTManager = app.extensions["flask-jwt-extended"]
    Realtime(app)

    @manager.token_in_blocklist_loader
    def is_revoked(header: dict[str, Any], _claims: dict[str, Any]) -> bool:
        return header.get("kid") in revoked_keys

    with connect(app, "ann") as ann, connect(app, "ben") as ben:
        with app.app_context():
            token = create_access_token("ann", additional_headers={"kid": "second"})
        assert "expiresAt" in ann.call("auth:refresh", token)
        revoked_keys.add("second")
        ann._wait(lambda: not ann.is_connected, SECONDS, "the end")
        assert ben.call("user:get-status", "ann")["status"] == "offline"


def test_an_interval_goes_by_between_two_rounds(make_app: MakeApp, connect: Connect) -> None:
    interval = 0.3
    realtime, rounds = Realtime(app := make_app(REALTIME_REVOCATION_INTERVAL=interval)), list[float]()

    @realtime.revoked_tokens
    def asked(_token_ids: Sequence[str]) -> Sequence[str]:
        rounds.append(time.monotonic())
        return ()

    with connect(app, "ann") as ann:
        ann._wait(lambda: len(rounds) >= 4, SECONDS, "four rounds")
        assert min(later - earlier for earlier, later in pairwise(rounds)) >= interval
