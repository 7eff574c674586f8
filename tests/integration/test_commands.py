"""The `flask realtime` commands that reach the servers: what an operator types, what comes of it, and what is printed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo

from flask_realtime import Identity, Realtime
from flask_realtime.cli import commands
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


@pytest.mark.parametrize("command", [("emit", "notice", "--all"), ("online",), ("kick", "ann"), ("rooms",)])
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


def test_conversations_are_listed_with_the_number_of_their_users(server: Flask, shell: Flask, connect: Connect) -> None:
    assert output(shell, "rooms") == ""
    with connect(server, "ann") as ann, connect(server, "ann") as second, connect(server, "ben") as ben:
        for client in (ann, second, ben):
            client.join("7")
        ben.join("5")
        assert output(shell, "rooms") == "5\t1\n7\t2\n"


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
        assert output(shell, "kick", "ann", "--conversation", "7") == ""
        ann._wait(lambda: output(shell, "rooms") == "7\t1\n8\t2\n", 5, "the end in one conversation")
        assert ann.is_connected
