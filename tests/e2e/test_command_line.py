"""`flask realtime` as an operator runs it: processes of their own, against the example on four workers that share a Redis."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flask_realtime import RealtimeEmitter
from tests.e2e.clients import PyClient
from tests.e2e.example import User, environment
from tests.e2e.servers import ROOT, poll, process_environment
from tests.e2e.workers import WORKERS, Workers, running_workers
from tests.redis_server import RedisServer
from tests.warm_python import WarmPython

SECONDS = 60.0
MOST = 100
"""Clients of one user; so many would not all come to one worker of four."""

OK = {"ok": True}


class Shell(NamedTuple):
    """The shell of an operator.

    Args:
        environment: The variables of the servers, which commands have too.
        workers: The servers.
        emitter: Knows which connection is on which server.
        stack: What is closed at the end.
        clients: Bob's clients, on two workers at least.
        bob: He.
        conversation: A conversation of his, which his first client has joined.
        python: What runs commands.
    """

    environment: Mapping[str, str]
    workers: Workers
    emitter: RealtimeEmitter
    stack: ExitStack
    clients: list[PyClient]
    bob: User
    conversation: str
    python: WarmPython

    def run(self, *command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        run = ("-m", "flask", "--app", "example_app:app", "realtime", *command)
        done = self.python.run(*run, folder=ROOT, environment=process_environment(self.environment))
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def json(self, *command: str) -> Any:
        """Run a command with --json, and return the document."""
        return json.loads(self.run(*command, "--json").stdout)

    def on_terminal(self, *command: str, answer: str = "") -> tuple[int, str]:
        """Run a command on a terminal, answer what it asks, and return its exit code and all that was on the screen."""
        main, terminal = pty.openpty()
        run = [sys.executable, "-m", "flask", "--app", "example_app:app", "realtime", *command]
        variables = {**process_environment(self.environment), "TERM": "xterm", "COLUMNS": "200"}
        variables.pop("NO_COLOR", None)
        with subprocess.Popen(run, env=variables, stdin=terminal, stdout=terminal, stderr=terminal) as process:
            os.close(terminal)
            seen = ""
            with suppress(OSError):  # The end of a terminal on Linux.
                while text := os.read(main, 4096).decode():
                    seen += text
                    if answer and "[y/N]" in seen:
                        os.write(main, answer.encode())
                        answer = ""
        os.close(main)
        return process.returncode, seen


def connect(workers: Workers, user: User) -> PyClient:
    """A client of a user."""
    return PyClient(workers.url, {"auth": {"token": user.token}, "transports": ["websocket"]})


def servers_of(emitter: RealtimeEmitter, user: User) -> dict[str, str]:
    """A user's connections, and the server that each of them is on."""
    return {entry.connection_id: entry.server_id for entry in emitter.get_user_connections(user.id)}


def connect_to_several(
    workers: Workers, user: User, emitter: RealtimeEmitter, stack: ExitStack, several: int = 2
) -> list[PyClient]:
    """Clients of a user, as many as it takes until so many workers have some."""
    clients: list[PyClient] = []
    while len(set(servers_of(emitter, user).values())) < several:
        clients.append(connect(workers, user))
        stack.callback(clients[-1].release)
        assert len(clients) < MOST
    return clients


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("command_line")
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        variables = {
            **environment(folder),
            "MESSAGE_QUEUE_URL": redis.url,
            "REALTIME_MAX_CONNECTIONS_PER_USER": str(MOST),
            "REALTIME_METRICS": "true",
            "TMPDIR": str(folder),  # Where metrics find the workers' sockets.
        }
        workers = stack.enter_context(running_workers(Path(folder), application="example_app:app", environment=variables))
        workers.server.wait_until_ready("/healthz")
        emitter, bob, alice = RealtimeEmitter(redis.url), User(workers.url, "bob"), User(workers.url, "alice")
        clients = connect_to_several(workers, bob, emitter, stack)
        conversation = alice.call("POST", "/api/conversations", {"participantIds": [bob.id]})["id"]
        assert clients[0].call("join:conversation", conversation) == OK
        python = stack.enter_context(WarmPython(imported=["example_app.factory"]))
        yield Shell(variables, workers, emitter, stack, clients, bob, conversation, python)


def test_the_connections_of_all_workers_are_listed(shell: Shell) -> None:
    found = shell.json("connections", "--user", shell.bob.id)
    assert (found["total"], found["unanswered"]) == (len(shell.clients), [])
    on_servers = {item["connection_id"]: item["server_id"] for item in found["connections"]}
    assert on_servers == servers_of(shell.emitter, shell.bob)
    assert set(on_servers) == {client.sid for client in shell.clients}
    seen = {(item["transport"], item["address"], item["namespace"]) for item in found["connections"]}
    assert seen == {("websocket", "127.0.0.1", "/")}
    (joined,) = shell.json("connections", "--conversation", shell.conversation)["connections"]
    assert (joined["connection_id"], joined["rooms"] >= 1) == (shell.clients[0].sid, True)


def test_on_a_terminal_they_are_a_table(shell: Shell) -> None:
    code, screen = shell.on_terminal("connections", "--conversation", shell.conversation)
    lines = screen.splitlines()
    assert code == 0
    assert re.search(r"^\x1b\[1mUSER +CONNECTION +NAMESPACE", screen, re.MULTILINE)
    assert re.match(rf"{shell.bob.id} +{re.escape(shell.clients[0].sid)}  /  ", lines[-1])


def test_users_and_conversations_are_listed(shell: Shell) -> None:
    assert shell.json("online") == {"users": [{"user_id": shell.bob.id}]}
    assert shell.run("rooms").stdout == f"{shell.conversation}\t1\t1\n"


def test_an_event_is_sent_to_all_workers(shell: Shell) -> None:
    assert shell.json("emit", "notice", '{"text": "hello"}', "--all") == {"sent": True}
    for client in shell.clients:
        assert client.wait_for("notice").data == {"text": "hello"}


def test_what_is_in_the_database_is_shown(shell: Shell) -> None:
    shell.bob.call("POST", f"/api/conversations/{shell.conversation}/messages", {"content": "logged"})
    (event,) = shell.json("log", "show", "--conversation", shell.conversation, "--limit", "1")["events"]
    assert (event["event"], event["arguments"][0]["content"]) == ("message:new", "logged")
    assert shell.json("log", "status")["rows"] >= 1
    assert shell.json("log", "prune")["deleted"] == 0
    assert shell.json("jobs") == {"jobs": []}
    assert shell.json("check")["ok"] is True


def test_the_metrics_of_all_workers_are_printed(shell: Shell) -> None:
    found = shell.json("metrics")["metrics"]
    values = {(item["name"], item["labels"].get("worker", "").partition(".")[0]): item["value"] for item in found}
    assert values["flask_realtime_workers", ""] == WORKERS
    with_bob = sum(values["flask_realtime_users", str(pid)] for pid in shell.workers.pids)
    assert with_bob == len(set(servers_of(shell.emitter, shell.bob).values()))


def test_kick_asks_on_a_terminal(shell: Shell) -> None:
    carol = User(shell.workers.url, "carol")
    client = connect(shell.workers, carol)
    code, screen = shell.on_terminal("kick", "--sid", client.sid, answer="n\n")
    assert (code, "Aborted!" in screen) == (1, True)
    assert f"End the connection {client.sid} of {carol.id}? [y/N]" in screen
    assert client.call("user:get-status", carol.id)["status"] == "online"
    code, screen = shell.on_terminal("kick", "--sid", client.sid, answer="y\n")
    assert (code, screen.splitlines()[-1]) == (0, "1 connection")
    client.wait_for_disconnect()


def test_kick_ends_what_it_is_told_to_on_all_workers(shell: Shell) -> None:
    assert shell.json("kick", "--conversation", shell.conversation) == {"connections": 1}
    assert poll(lambda: shell.run("rooms").stdout == "", SECONDS)
    assert shell.json("kick", shell.bob.id) == {"connections": len(shell.clients)}
    for client in shell.clients:
        client.wait_for_disconnect()


def test_a_worker_that_hangs_is_named_and_the_others_are_listed(shell: Shell) -> None:
    carol = User(shell.workers.url, "carol")
    connect_to_several(shell.workers, carol, shell.emitter, shell.stack, len(shell.workers.pids))
    servers = servers_of(shell.emitter, carol)
    with shell.workers.stopped(shell.workers.pids[0]):
        done = shell.run("connections", "--user", carol.id, "--timeout", "1.5", code=1)
    named = re.search(r"^Error: No answer from 1 server: (\w+)\. ", done.stderr, re.MULTILINE)
    assert named is not None
    listed = {line.split("\t")[1] for line in done.stdout.splitlines()}
    assert listed == {connection_id for connection_id, server_id in servers.items() if server_id != named[1]}
    assert listed
