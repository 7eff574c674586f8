"""The `flask realtime` commands that reach the servers: what an operator types, what comes of it, and what is printed."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo
from redis import Redis

from flask_realtime import Identity, Realtime
from flask_realtime.cli import commands
from flask_realtime.extension import gateway_of
from flask_realtime.gateway.inspection import MAX_PART
from tests.integration.conftest import Connect, MakeApp
from tests.redis_server import RedisServer

ONE_OF_THEM = "Choose exactly one of --user, --conversation and --all."


def run(app: Flask, *command: str) -> Result:
    """Run a command of the extension's."""
    return CliRunner().invoke(commands, command, obj=ScriptInfo(create_app=lambda: app))


def output(app: Flask, *command: str) -> str:
    """Run a command that must work, and return what it prints."""
    done = run(app, *command)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def reasons() -> list[tuple[str, str]]:
    """The ends that the server's application has heard of."""
    return []


@pytest.fixture
def server(make_sharing: MakeApp, reasons: list[tuple[str, str]]) -> Flask:
    """An application that serves clients."""

    def set_up(realtime: Realtime) -> None:
        realtime.authorize_join(lambda _identity, _conversation_id: True)

        @realtime.on_disconnect
        def gone(identity: Identity, reason: str) -> None:
            reasons.append((identity.user_id, reason))

    return make_sharing(on=set_up)


@pytest.fixture
def shell(make_sharing: MakeApp) -> Flask:
    """The application of the shell's process, which serves nobody."""
    return make_sharing()


@pytest.mark.parametrize(
    ("options", "receivers"),
    [(("--user", "ann"), {"ann"}), (("--conversation", "7"), {"ann", "ben"}), (("--all",), {"ann", "ben", "eve"})],
)
def test_an_event_goes_to_whom_the_options_say(
    server: Flask, shell: Flask, connect: Connect, options: tuple[str, ...], receivers: set[str]
) -> None:
    with connect(server, "ann") as ann, connect(server, "ben") as ben, connect(server, "eve") as eve:
        ann.join(7)
        ben.join(7)
        assert output(shell, "emit", "notice", '{"text": "hello"}', "2", *options) == ""
        assert output(shell, "emit", "end", "--all") == ""
        for client, user in ((ann, "ann"), (ben, "ben"), (eve, "eve")):
            client.wait_for("end")
            came = [item.data for item in client.received if item.event == "notice"]
            assert came == ([({"text": "hello"}, 2)] if user in receivers else [])


@pytest.mark.parametrize("options", [(), ("--user", "ann", "--all"), ("--user", "ann", "--conversation", "7")])
def test_receivers_are_chosen_in_one_way(shell: Flask, options: tuple[str, ...]) -> None:
    done = run(shell, "emit", "notice", *options)
    assert (done.exit_code, ONE_OF_THEM in done.output) == (2, True)


def test_what_cannot_be_sent_is_an_error_in_one_line(shell: Flask) -> None:
    no_json = run(shell, "emit", "notice", "hello", "--all")
    assert no_json.exit_code == 2
    assert "'hello' is not JSON" in no_json.output
    for command in (("connect", "--all"), ("notice", "--user", "")):
        done = run(shell, "emit", *command)
        assert done.exit_code == 1
        assert re.fullmatch(r"Error: .+\n", done.output)


def test_an_event_that_no_server_gets_is_an_error(shell: Flask, redis: RedisServer) -> None:
    redis.stop()
    done = run(shell, "emit", "notice", "--all")
    assert (done.exit_code, done.output) == (1, "Error: The message queue cannot be reached; nothing was sent.\n")


def test_what_was_sent_is_there_as_json(shell: Flask) -> None:
    assert json.loads(output(shell, "emit", "notice", "--all", "--json")) == {"sent": True}


NEEDS_SERVERS = [
    ("emit", "notice", "--all"),
    ("online",),
    ("connections",),
    ("kick", "ann"),
    ("kick", "--sid", "x"),
    ("kick", "--conversation", "7"),
    ("rooms",),
]


@pytest.mark.parametrize("command", NEEDS_SERVERS)
def test_without_a_queue_a_command_says_that_it_reaches_nobody(make_app: MakeApp, command: tuple[str, ...]) -> None:
    app = make_app()
    Realtime(app)
    done = run(app, *command)
    assert done.exit_code == 1
    assert "REALTIME_MESSAGE_QUEUE is not set" in done.output


def test_users_are_listed_with_their_connections_if_asked(server: Flask, shell: Flask, connect: Connect) -> None:
    with connect(server, "ben") as ben, connect(server, "ann"):
        ben.join("7")
        assert output(shell, "online") == "ann\nben\n"
        assert output(shell, "online", "--conversation", "7") == "ben\n"
        line = rf"ben\n  {re.escape(ben.id or '')}  since \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00  on \w+\n"
        assert re.fullmatch(line, output(shell, "online", "--conversation", "7", "--connections"))
        assert json.loads(output(shell, "online", "--json")) == {"users": [{"user_id": "ann"}, {"user_id": "ben"}]}
        (user,) = json.loads(output(shell, "online", "--conversation", "7", "--connections", "--json"))["users"]
        (connection,) = user["connections"]
        assert (user["user_id"], connection["connection_id"], connection["device"]) == ("ben", ben.id, "")
        assert connection["since"].endswith("+00:00")


@pytest.mark.parametrize("command", NEEDS_SERVERS)
def test_while_the_queue_is_down_a_command_says_so(shell: Flask, redis: RedisServer, command: tuple[str, ...]) -> None:
    redis.stop()
    done = run(shell, *command)
    assert done.exit_code == 1
    assert re.fullmatch(r"Error: The message queue cannot be reached.+\n", done.output)


@pytest.mark.parametrize("command", [("online",), ("connections",), ("rooms",), ("kick", "--sid", "x")])
def test_over_a_broker_a_command_says_that_it_knows_nobody(make_app: MakeApp, command: tuple[str, ...]) -> None:
    app = make_app(REALTIME_MESSAGE_QUEUE="amqp://127.0.0.1:1//")
    Realtime(app)
    done = run(app, *command)
    assert done.exit_code == 1
    assert "Over a broker each server knows its own connections only" in done.output


def test_over_a_broker_a_whole_conversation_cannot_be_emptied(make_app: MakeApp) -> None:
    app = make_app(REALTIME_MESSAGE_QUEUE="amqp://127.0.0.1:1//")
    Realtime(app)
    done = run(app, "kick", "--conversation", "7")
    assert (done.exit_code, done.output) == (1, "Error: Over a broker nobody knows who has joined: name the USER.\n")


def listed(app: Flask, *options: str) -> list[list[str]]:
    """The rows that `connections` prints, without times."""
    rows = [line.split("\t") for line in output(app, "connections", *options).splitlines()]
    for row in rows:
        age = datetime.now(timezone.utc) - datetime.fromisoformat(row.pop(4))
        assert -2 < age.total_seconds() < 60
    return rows


def test_connections_are_listed_as_their_servers_know_them(server: Flask, shell: Flask, connect: Connect) -> None:
    assert output(shell, "connections") == ""
    with connect(server, "ben") as ben, connect(server, "ann") as first, connect(server, "ann") as second:
        ben.join("7")
        ben.join("8")
        second.join("7")
        server_id = gateway_of(server).backend.server_id
        rows = listed(shell)
        assert [row[0] for row in rows] == ["ann", "ann", "ben"]
        assert {row[1] for row in rows} == {first.id, second.id, ben.id}
        assert rows[-1] == ["ben", ben.id, "/", "polling", server_id, "", "2"]
        assert {row[1] for row in listed(shell, "--user", "ann")} == {first.id, second.id}
        assert {row[1] for row in listed(shell, "--conversation", "7")} == {second.id, ben.id}
        assert [row[1] for row in listed(shell, "--conversation", "7", "--user", "ann")] == [second.id]
        assert len(listed(shell, "--namespace", "/")) == 3
        assert listed(shell, "--namespace", "/orders") == []


def test_connections_are_there_as_json(server: Flask, shell: Flask, connect: Connect) -> None:
    with connect(server, "ann") as ann:
        found = json.loads(output(shell, "connections", "--json"))
        (connection,) = found.pop("connections")
        assert found == {"total": 1, "unanswered": []}
        assert connection.pop("since").endswith("+00:00")
        assert connection == {
            "connection_id": ann.id,
            "user_id": "ann",
            "namespace": "/",
            "server_id": gateway_of(server).backend.server_id,
            "transport": "polling",
            "address": "",
            "device": "",
            "rooms": 0,
        }


def test_no_more_connections_are_listed_than_asked_for(server: Flask, shell: Flask, connect: Connect) -> None:
    with connect(server, "ann"), connect(server, "ben"), connect(server, "eve"):
        done = run(shell, "connections", "--limit", "2")
        assert (done.exit_code, done.stdout.count("\n")) == (0, 2)
        assert done.stderr == "2 of 3 connections; --limit lists more.\n"
        found = json.loads(output(shell, "connections", "--limit", "2", "--json"))
        assert (len(found["connections"]), found["total"]) == (2, 3)


@pytest.mark.parametrize("rest", ["", "日" * 100])
def test_a_long_answer_comes_in_parts_and_leaves_nothing_in_redis(
    server: Flask, shell: Flask, connect: Connect, client: Redis, rest: str
) -> None:
    with ExitStack() as stack:
        users = [f"{number:03}{rest}" for number in range(MAX_PART + 5)]
        for user in users:
            stack.enter_context(connect(server, user))
        assert [row[0] for row in listed(shell)] == users
        assert list(client.scan_iter("*gateway:inspection*")) == []


def test_a_server_that_does_not_answer_is_named(
    server: Flask, make_sharing: MakeApp, shell: Flask, connect: Connect, client: Redis
) -> None:
    silent = make_sharing()
    with connect(server, "ann"), connect(silent, "ben"):
        (leases,) = client.keys("*:servers")
        lost = gateway_of(silent).backend
        lost._bus.stop(1.0)  # type: ignore[attr-defined]  # as if it hung: it is alive, and hears nothing
        assert len(client.zrange(leases, 0, -1)) == 2
        done = run(shell, "connections", "--timeout", "1")
        assert (done.exit_code, done.stdout.split("\t")[0]) == (1, "ann")
        assert f"No answer from 1 server: {lost.server_id}. " in done.stderr
        found = run(shell, "connections", "--timeout", "0.5", "--json")
        assert (found.exit_code, json.loads(found.stdout)["unanswered"]) == (1, [lost.server_id])
        missing = run(shell, "kick", "--sid", "x", "--timeout", "0.5")
        assert (missing.exit_code, lost.server_id in missing.stderr) == (1, True)


def test_conversations_are_listed_with_numbers_of_users_and_connections(server: Flask, shell: Flask, connect: Connect) -> None:
    assert output(shell, "rooms") == ""
    with connect(server, "ann") as ann, connect(server, "ann") as second, connect(server, "ben") as ben:
        for client in (ann, second, ben):
            client.join("7")
        ben.join("5")
        assert output(shell, "rooms") == "5\t1\t1\n7\t2\t3\n"
        assert json.loads(output(shell, "rooms", "--json")) == {
            "rooms": [
                {"conversation_id": "5", "users": 1, "connections": 1},
                {"conversation_id": "7", "users": 2, "connections": 3},
            ]
        }


def test_a_user_is_ended_everywhere(server: Flask, shell: Flask, connect: Connect, reasons: list[Any]) -> None:
    with connect(server, "ann") as ann, connect(server, "ann") as second, connect(server, "ben") as ben:
        assert output(shell, "kick", "ann", "--reason", "moved") == "2 connections\n"
        ann._wait(lambda: reasons == [("ann", "moved")] * 2, 5, "the ends")
        ann._wait(lambda: not ann.is_connected and not second.is_connected, 5, "the ends")
        assert output(shell, "kick", "ben") == "1 connection\n"
        ben._wait(lambda: output(shell, "online") == "", 5, "the ends, as the shell knows them")
        ben._wait(lambda: not ben.is_connected, 5, "the end")
        assert output(shell, "kick", "ben") == "0 connections\n"


def test_a_user_may_be_taken_out_of_one_conversation_alone(server: Flask, shell: Flask, connect: Connect) -> None:
    with connect(server, "ann") as ann, connect(server, "ben") as ben:
        for client in (ann, ben):
            client.join("7")
            client.join("8")
        assert output(shell, "kick", "ann", "--conversation", "7") == "1 connection\n"
        ann._wait(lambda: output(shell, "rooms") == "7\t1\t1\n8\t2\t2\n", 5, "the end in one conversation")
        assert ann.is_connected


def test_everybody_may_be_taken_out_of_a_conversation(server: Flask, shell: Flask, connect: Connect) -> None:
    with connect(server, "ann") as ann, connect(server, "ann") as second, connect(server, "ben") as ben:
        for client in (ann, second, ben):
            client.join("7")
            client.join("8")
        assert json.loads(output(shell, "kick", "--conversation", "7", "--json")) == {"connections": 3}
        ann._wait(lambda: output(shell, "rooms") == "8\t2\t3\n", 5, "the end in one conversation")
        assert ann.is_connected
        assert output(shell, "kick", "--conversation", "7") == "0 connections\n"


def test_one_connection_may_be_ended_alone(server: Flask, shell: Flask, connect: Connect, reasons: list[Any]) -> None:
    with connect(server, "ann") as ann, connect(server, "ann") as second:
        assert output(shell, "kick", "--sid", str(ann.id), "--reason", "moved") == "1 connection\n"
        ann._wait(lambda: reasons == [("ann", "moved")], 5, "the end")
        ann._wait(lambda: not ann.is_connected, 5, "the end")
        assert second.is_connected
        assert output(shell, "kick", "--sid", str(ann.id)) == "0 connections\n"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ((), "Say whom"),
        (("ann", "--sid", "x"), "--sid names a connection"),
        (("--conversation", "7", "--reason", "x"), "--reason is for connections that end"),
    ],
)
def test_what_is_to_end_is_said_in_one_way(shell: Flask, options: tuple[str, ...], fault: str) -> None:
    done = run(shell, "kick", *options)
    assert (done.exit_code, fault in done.output) == (2, True)


def test_an_id_that_is_none_is_an_error_in_one_line(shell: Flask) -> None:
    for command in (("kick", ""), ("kick", "ann", "--conversation", "")):
        done = run(shell, *command)
        assert done.exit_code == 1
        assert re.fullmatch(r"Error: .+\n", done.output)
