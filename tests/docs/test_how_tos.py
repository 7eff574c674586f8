"""What the how-to guides say, seen from a client of the applications in them."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from flask.cli import ScriptInfo
from werkzeug.security import generate_password_hash

from flask_realtime.cli import commands
from tests.docs.conftest import SECONDS, Serve, ServedPage, token
from tests.docs.pages import ROOT, blocks, python
from tests.e2e.clients import Refused, node
from tests.e2e.example import environment
from tests.e2e.servers import gunicorn, process_environment
from tests.push_service import Browser, push_server
from tests.redis_server import RedisServer

RAISING_HANDLERS = """
@realtime.on("fail:http")
def fail_http(_identity, status):
    from flask import abort

    abort(status, "said why")


@realtime.on("fail:request")
def fail_request(_identity):
    from flask import request

    return request.path
"""
PUSH_APP = """
app = push_app

with app.app_context():
    db.create_all()
"""
# Runs commands in one process, as each of them would be in its own, and prints the exit code and the outputs of each.
RUN_COMMANDS = """
import json, shlex, sys
from click.testing import CliRunner
from flask.cli import ScriptInfo
from flask_realtime.cli import commands
from page import app

runs = [CliRunner().invoke(commands, shlex.split(line), obj=ScriptInfo(create_app=lambda: app)) for line in sys.argv[1:]]
print(json.dumps([(done.exit_code, done.stdout, done.stderr) for done in runs]))
"""
COMMAND_LINE = "docs/how-to/command-line.md"
KEPT_SPANS = """
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

kept = InMemorySpanExporter()
provider.add_span_processor(SimpleSpanProcessor(kept))
"""
AUTHENTICATION = "docs/how-to/authentication.md"
CODES = {
    400: "bad_request",
    401: "forbidden",
    403: "forbidden",
    404: "not_found",
    413: "payload_too_large",
    422: "bad_request",
    429: "rate_limited",
}


def test_hooks(serve: Serve) -> None:
    page = serve("docs/how-to/hooks.md", RAISING_HANDLERS)
    alice = page.connect("alice")
    for status, code in CODES.items():
        assert alice.call("fail:http", status) == {"error": {"code": code, "message": "said why"}}
    assert alice.call("fail:http", 418)["error"]["code"] == "internal_error"
    assert alice.call("fail:request")["error"]["code"] == "internal_error"
    assert alice.call("join:conversation", "7")["error"]["code"] == "forbidden"


def test_connections(serve: Serve) -> None:
    page = serve("docs/how-to/connections.md")
    # Over WebSocket python-socketio's client goes without saying goodbye.
    alice = page.connect("alice", transports=["polling"])
    assert alice.wait_for("welcome").data == {"address": "127.0.0.1"}
    with pytest.raises(Refused) as refused:
        page.connect("mallory")
    assert (refused.value.code, refused.value.message) == ("connection_refused", "Your account is suspended until Monday")

    alice.disconnect()
    page.wait_for("last_seen['alice'][1] if 'alice' in last_seen else None", "client disconnect")

    bob = page.connect("bob")
    assert page.request("POST", "/suspend/bob") == {"ended": 1}
    bob.wait_for_disconnect()
    page.wait_for("last_seen['bob'][1]", "suspended")


def test_tokens(serve: Serve) -> None:
    page = serve("docs/how-to/tokens.md")
    alice = page.connect("alice")
    assert alice.call("auth:refresh", token("bob"))["error"]["code"] == "forbidden"
    second = token("alice")
    assert alice.call("auth:refresh", second)["expiresAt"].endswith("Z")
    headers = {"Authorization": f"Bearer {second}"}
    assert requests.post(page.url + "/logout", headers=headers, timeout=SECONDS).json() == {"ended": 1}
    alice.wait_for_disconnect()
    with pytest.raises(Refused) as refused:
        page.connect("alice", auth={"token": second})
    assert refused.value.code == "token_revoked"
    assert page.value("list(revoked_tokens(['other', *revoked])) == list(revoked)") is True


def test_a_session_of_flask_login(serve: Serve) -> None:
    page = serve(AUTHENTICATION, only=0)
    with requests.Session() as browser:
        wrong = {"username": "alice", "password": "guessed"}
        assert browser.post(page.url + "/login", json=wrong, timeout=SECONDS).status_code == 401
        right = {"username": "alice", "password": "the password of alice"}
        assert browser.post(page.url + "/login", json=right, timeout=SECONDS).ok
        cookie = {"Cookie": f"session={browser.cookies['session']}"}
        client = page.connect("", auth=None, extraHeaders=cookie)
        assert page.value("realtime.get_online_users()") == ["alice"]
        assert browser.post(page.url + "/logout", timeout=SECONDS).json() == {"ended": 1}
    client.wait_for_disconnect()
    with pytest.raises(Refused) as refused:
        page.connect("", auth=None)
    assert refused.value.code == "token_missing"


def test_api_keys(serve: Serve) -> None:
    page = serve(AUTHENTICATION, only=1)
    billing = page.connect("", auth={"token": "the key of the billing service"})
    shop = page.connect("", auth=None, extraHeaders={"X-API-Key": "the key of the shop"})
    assert page.value("realtime.get_online_users()") == ["billing", "shop"]
    assert billing.call("auth:refresh", "the key of the billing service") == {"expiresAt": None}
    assert billing.call("auth:refresh", "the key of the shop")["error"]["code"] == "forbidden"
    assert page.request("DELETE", "/keys/2") == {"ended": 1}
    shop.wait_for_disconnect()
    with pytest.raises(Refused) as refused:
        page.connect("", auth={"token": "the key of the shop"})
    assert (refused.value.code, refused.value.message) == ("token_invalid", "This API key is not known")


def test_a_log_out_ends_the_connections_of_its_token_alone(serve: Serve) -> None:
    page = serve("docs/how-to/connections.md")
    logged_out, other = token("carol"), page.connect("carol")
    client = page.connect("carol", auth={"token": logged_out})
    answer = requests.post(page.url + "/logout", headers={"Authorization": f"Bearer {logged_out}"}, timeout=SECONDS)
    assert answer.json() == {"ended": 1}
    client.wait_for_disconnect()
    other.settle()


def test_conversations(serve: Serve) -> None:
    page = serve("docs/how-to/conversations.md")
    alice, bob = page.connect("alice"), page.connect("bob")
    assert alice.call("join:conversation", 7) == {"ok": True}
    assert bob.call("join:conversation", "7") == {"ok": True}
    assert alice.wait_for("member:here").data == "bob"
    bob.assert_none("member:here")
    assert bob.call("join:conversation", "8")["error"]["code"] == "forbidden"
    refusal = {"code": "not_found", "message": "Conversation not found"}
    assert bob.call("join:conversation", "9") == {"error": refusal}

    page.request("DELETE", "/conversations/7/members/bob")
    assert alice.wait_for("member:gone").data == "bob"
    assert page.value("realtime.get_online_users('7')") == ["alice"]


def test_a_join_that_is_refused_later_takes_the_connection_out(serve: Serve) -> None:
    page = serve("docs/how-to/conversations.md")
    bob = page.connect("bob")
    bob.call("join:conversation", "7")
    page.value("members['7'].discard('bob')")
    assert bob.call("join:conversation", "7")["error"]["code"] == "forbidden"
    assert page.value("realtime.get_online_users('7')") == []


def test_members(serve: Serve) -> None:
    page = serve("docs/how-to/members.md")
    alice, carol = page.connect("1"), page.connect("3")
    for client in (alice, carol):
        assert client.call("join:conversation", "1") == {"ok": True}
    shown = page.request("GET", "/api/conversations/1", "1")
    assert (shown["title"], shown["participantCount"], shown["type"]) == ("The team", 3, "group")
    people = [(one["username"], one["role"]) for one in shown["participants"]]
    assert people == [("alice", "owner"), ("bob", "member"), ("carol", "moderator")]
    page.request("DELETE", "/api/conversations/1/members/3", "1")
    left = {"conversationId": "1", "userId": "3", "by": "1", "reason": "removed"}
    assert alice.wait_for("member:left").data == left
    assert carol.wait_for("conversation:removed").data == {"conversationId": "1"}
    carol.assert_none("member:left")
    assert carol.call("join:conversation", "1")["error"]["code"] == "forbidden"


def test_presence(serve: Serve) -> None:
    page = serve("docs/how-to/presence.md")
    carol, bob = page.connect("carol"), page.connect("bob")
    alice = page.connect("alice")
    assert bob.wait_for("user:status-changed").data == {"userId": "alice", "status": "online"}
    answer = page.request("GET", "/presence")
    assert answer == {
        "count": 3,
        "users": ["carol", "bob", "alice"],
        "alice": {"userId": "alice", "status": "online"},
        "bob": True,
    }
    alice.disconnect()
    assert bob.wait_for("user:status-changed").data == {"userId": "alice", "status": "offline"}
    carol.assert_none("user:status-changed")
    page.wait_for("history[-2:]", [["alice", "online"], ["alice", "offline"]])


def test_states_and_who_sees_them(serve: Serve) -> None:
    page = serve("docs/how-to/presence.md")
    bob, carol, alice = page.connect("bob"), page.connect("carol"), page.connect("alice")
    assert page.request("POST", "/holidays/alice") is None
    assert bob.wait_for("presence:changed").data["text"] == "On holidays"
    (seen,) = carol.call("presence:get", ["alice"])
    assert (seen["status"], seen["text"]) == ("offline", None)
    assert alice.call("presence:set", {"state": "invisible"}) == {"ok": True}
    (shown,) = page.request("GET", "/contacts", "bob")
    assert (shown["userId"], shown["state"]) == ("alice", "offline")
    assert page.request("GET", "/presence")["alice"]["status"] == "online"


def test_a_failing_audience_hook_tells_nobody_and_the_others_are_called(serve: Serve) -> None:
    page = serve("docs/how-to/presence.md")
    bob = page.connect("bob")
    page.connect("stranger").settle()
    page.wait_for("history", [["bob", "online"], ["stranger", "online"]])
    bob.assert_none("user:status-changed")


def test_notifications(serve: Serve) -> None:
    page = serve("docs/how-to/notifications.md")
    phone, laptop, bob = page.connect("alice"), page.connect("alice"), page.connect("bob")
    assert page.request("POST", "/notify/alice")["id"] == "4"
    assert laptop.wait_for("notification:new").data["title"] == "A reply"

    assert phone.call("notification:read", 4) == {"ok": True}
    assert phone.wait_for("notification:read").data == 4
    assert laptop.wait_for("notification:read").data == 4
    refusal = {"code": "not_found", "message": "Notification not found"}
    assert bob.call("notification:read", "1") == {"error": refusal}

    assert phone.call("notifications:read-all") == {"ok": True}
    assert laptop.wait_for("notifications:read-all").args == ()
    laptop.assert_none("notification:read")
    bob.assert_none("notification:read")
    assert page.value("len(unread['alice'])") == 0


def test_critical_notifications(serve: Serve) -> None:
    page = serve("docs/how-to/critical-notifications.md")
    bob = page.connect("bob")
    told = page.request("POST", "/alarms/bob", "alice", {"message": "Leave the house"})
    assert bob.wait_for("notification:new").data == told
    assert bob.call("notification:delivered", told["id"]) == {"ok": True}
    page.request("POST", "/alarms/carol", "alice", {"message": "Leave the house"})
    page.wait_for("('carol', 'Fire') in outbox.values()", expected=True)
    page.value("outbox.clear()")
    assert page.value("test_nobody_misses_a_fire()") is None


def test_web_push(serve: Serve) -> None:
    page = serve("docs/how-to/critical-notifications.md", PUSH_APP)
    with push_server() as service:
        keys = Browser(service, "phone").keys
    subscription = {"endpoint": "https://push.example.org/1", "keys": keys}
    assert len(page.request("GET", "/api/push/key", "alice")["publicKey"]) == 87
    assert page.request("POST", "/api/push/subscriptions", "alice", subscription) is None
    assert page.value("[stored.subscription.endpoint for stored in store.push.of_user('alice')]") == ["https://push.example.org/1"]
    headers = {"Authorization": f"Bearer {token('alice')}"}
    private = {**subscription, "endpoint": "https://127.0.0.1/1"}
    assert requests.post(page.url + "/api/push/subscriptions", json=private, headers=headers, timeout=SECONDS).status_code == 400
    assert page.request("DELETE", "/api/push/subscriptions", "alice", {"endpoint": "https://push.example.org/1"}) is None
    assert page.value("store.push.of_user('alice')") == []


def test_events(serve: Serve) -> None:
    page = serve("docs/how-to/events.md")
    alice, bob = page.connect("alice"), page.connect("bob")
    assert bob.call("poll:vote", {"poll": "lunch", "choice": 2}) == {"ok": True}
    assert alice.wait_for("poll:voted").data == {"poll": "lunch", "votes": 1}
    refusal = bob.call("poll:vote", {"poll": "lunch", "choice": "soup"})["error"]
    problem = "choice: Input should be a valid integer, unable to parse string as an integer"
    assert refusal == {"code": "bad_request", "message": problem}
    assert bob.call("poll:vote")["error"]["code"] == "bad_request"

    assert bob.call("poll:close", "lunch")["error"] == {"code": "forbidden", "message": "Only Alice may close a poll"}
    assert alice.call("poll:close", "lunch") == {"votes": 1}
    assert alice.call("poll:close", "lunch", "dinner")["error"]["code"] == "bad_request"

    assert alice.call("avatar:set", b"\x00\x01\x02") == {"bytes": 3}
    assert alice.call("poll:close", b"\x00")["error"]["code"] == "bad_request"


def test_errors(serve: Serve) -> None:
    page = serve("docs/how-to/errors.md")
    alice = page.connect("alice")
    assert alice.call("divide", 2) == 0.5
    assert alice.call("divide", 0) == {"error": {"code": "internal_error", "message": "The server failed to handle the event"}}
    page.wait_for("reports", [["ZeroDivisionError", "divide", "alice"]])


def test_emitting(serve: Serve) -> None:
    page = serve("docs/how-to/emitting.md")
    alice, bob = page.connect("alice"), page.connect("bob")
    for client in (alice, bob):
        client.call("join:conversation", "7")
    page.request("POST", "/conversations/7/messages", "alice", {"content": "hello"})
    assert alice.wait_for("message:new").data["content"] == "hello"
    assert bob.wait_for("message:new").data["createdAt"].endswith("GMT")

    page.request("POST", "/conversations/7/quiet-messages", "alice", {"content": "again"}, **{"X-Socket-ID": alice.sid})
    assert bob.wait_for("message:new").data["content"] == "again"
    alice.assert_none("message:new")
    page.request("POST", "/conversations/7/quiet-messages", "alice", {"content": "third"}, **{"X-Socket-ID": bob.sid})
    assert bob.wait_for("message:new").data["content"] == "third"

    page.request("POST", "/users/bob/wave")
    assert bob.wait_for("wave").data == {"from": "the server"}
    page.request("POST", "/maintenance")
    assert bob.wait_for("announcement").data == {"message": "Maintenance at noon"}


def test_emitting_after_the_commit(serve: Serve) -> None:
    page = serve("docs/how-to/after-commit.md")
    alice = page.connect("alice")
    headers = {"Authorization": f"Bearer {token('bob')}"}
    refused = requests.post(page.url + "/users/alice/orders", json={"status": "lost"}, headers=headers, timeout=SECONDS)
    assert refused.status_code == 400
    order = page.request("POST", "/users/alice/orders", "bob", {"status": "packed"})
    assert alice.wait_for("order:update").data == {"id": order["id"], "status": "packed"}
    alice.assert_none("order:update")


def test_tracing(serve: Serve) -> None:
    page = serve("docs/how-to/tracing.md", KEPT_SPANS)
    alice = page.connect("alice")
    page.request("POST", "/announcements/hello")
    assert alice.wait_for("announcement").data == "hello"
    assert alice.call("question", "why?") == "thank you"
    names = ["POST /announcements/<text>", "send announcement", "deliver announcement", "process question", "call question"]
    spans = "{span.name: span.context.trace_id for span in kept.get_finished_spans()}"
    for name in names:
        page.wait_for(f"{name!r} in {spans}", expected=True)
    assert page.value(f"len({{{spans}[name] for name in {names[:3]}}})") == 1
    assert page.value(f"len({{{spans}[name] for name in {names[3:]}}})") == 1


def test_logging(serve: Serve) -> None:
    page = serve("docs/how-to/logging.md", "lines = []\nhandler.emit = lambda record: lines.append(handler.format(record))\n")
    alice = page.connect("alice")
    assert alice.call("report", "welcome") == {"ok": True}
    named = "[(line.get('user'), line.get('page'), line.get('connection')) for line in map(__import__('json').loads, lines)]"
    found = page.value(named)
    assert ["alice", None, alice.sid] in found
    assert ["alice", "welcome", None] in found


def test_all_lines_of_gunicorn_and_the_example_are_json_as_the_guide_says(tmp_path: Path) -> None:
    settings = tmp_path / "gunicorn.conf.py"
    settings.write_text(blocks("docs/how-to/logging.md", "python")[-1], encoding="utf-8")
    variables = {**environment(tmp_path), "LOG_FORMAT": "json"}
    with gunicorn("example_app:app", variables, "--config", str(settings), ready="/healthz") as server:
        pass
    lines = [json.loads(line) for line in server.lines]
    assert {"gunicorn.error", "flask_realtime.gateway.gateway"} <= {line["logger"] for line in lines}


def test_search(serve: Serve) -> None:
    page = serve("docs/how-to/search.md")
    page.value("store.conversations.create(['alice', 'bob']).id")
    page.value("[store.messages.add('1', 'alice', content).id for content in ('Hello, wörld', '<b>hello</b>')]")
    answer = page.request("GET", "/api/search?q=world", "bob")
    assert [(hit["message"]["content"], hit["snippet"]) for hit in answer["hits"]] == [
        ("Hello, wörld", "Hello, <mark>wörld</mark>")
    ]
    assert page.request("GET", "/api/search?q=hello", "carol") == {"hits": [], "nextBefore": None}
    assert page.request("GET", "/mine?q=hello", "alice") == {"ids": ["2", "1"], "nextBefore": None}
    assert page.request("GET", "/mine?q=hello", "bob") == {"ids": [], "nextBefore": None}


def test_analytics(serve: Serve) -> None:
    page = serve("docs/how-to/analytics.md")
    asked = "/api/admin/analytics?interval=hour&from=2026-11-29T11:00:00Z&to=2026-11-29T13:00:00Z"
    answer = page.request("GET", asked, "alice")
    (example,) = [json.loads(block) for block in blocks("docs/how-to/analytics.md", "json")]
    assert [answer[key] for key in ("start", "end", "interval")] == [example[key] for key in ("start", "end", "interval")]
    assert [set(point) for point in answer["points"]] == [set(example["points"][0])] * 2
    refused = requests.get(page.url + asked, headers={"Authorization": f"Bearer {token('bob')}"}, timeout=SECONDS)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")


def test_receipts(serve: Serve) -> None:
    page = serve("docs/how-to/receipts.md")
    alice, bob = page.connect("alice"), page.connect("bob")
    for client in (alice, bob):
        assert client.call("join:conversation", "lobby") == {"ok": True}
    for _ in range(2):
        assert bob.call("messages:read", {"conversationId": "lobby", "messageIds": ["1"]}) == {"ok": True}
    assert alice.wait_for("messages:read").data == {"conversationId": "lobby", "messageIds": ["1"], "userId": "bob"}
    alice.assert_none("messages:read")
    assert bob.call("messages:read", {"conversationId": "lobby", "upTo": "1"})["error"]["code"] == "bad_request"
    assert bob.call("messages:delivered", {"conversationId": "lobby", "upTo": "1"})["error"]["code"] == "unknown_event"


def test_reactions(serve: Serve) -> None:
    page = serve("docs/how-to/reactions.md")
    alice, bob = page.connect("alice"), page.connect("bob")
    named = {"conversationId": "1", "messageId": "1"}
    for client in (alice, bob):
        assert client.call("join:conversation", "1") == {"ok": True}
    assert bob.call("reaction:add", {**named, "emoji": "❤"}) == {"ok": True}
    page.request("PUT", "/api/conversations/1/messages/1/reactions/%F0%9F%91%8D", "bob")
    page.request("DELETE", "/api/conversations/1/messages/1/reactions/%E2%9D%A4%EF%B8%8F", "alice")
    told = [alice.wait_for(event).data for event in ("reaction:added", "reaction:added", "reaction:removed")]
    assert told == [
        {**named, "emoji": "❤️", "userId": "bob", "count": 2},
        {**named, "emoji": "👍", "userId": "bob", "count": 1},
        {**named, "emoji": "❤️", "userId": "alice", "count": 1},
    ]


def test_storing(serve: Serve) -> None:
    page = serve("docs/how-to/storing.md")
    alice, bob, carol = page.connect("alice"), page.connect("bob"), page.connect("carol")
    conversation = page.request("POST", "/conversations", "alice", {"participantIds": ["bob"]})
    assert conversation["participantIds"] == ["alice", "bob"]
    path = f"/conversations/{conversation['id']}"
    for client in (alice, bob):
        assert client.call("join:conversation", conversation["id"]) == {"ok": True}
    assert carol.call("join:conversation", conversation["id"])["error"]["code"] == "forbidden"

    message = page.request("POST", f"{path}/messages", "alice", {"content": "hello"})
    assert bob.wait_for("message:new").data == message
    assert page.request("GET", f"{path}/messages", "bob") == {"messages": [message], "nextBefore": None}
    read = {"messageIds": [message["id"]]}
    assert page.request("POST", f"{path}/read", "bob", read) == read
    told = {"conversationId": conversation["id"], **read, "userId": "bob", "upTo": message["id"]}
    assert alice.wait_for("messages:read").data == told
    page.request("POST", f"{path}/read", "bob", read)
    alice.assert_none("messages:read")

    notification = page.request("POST", "/users/bob/greet", "alice")
    assert bob.wait_for("notification:new").data == notification
    assert bob.call("notification:read", notification["id"]) == {"ok": True}
    assert carol.call("notification:read", notification["id"])["error"]["code"] == "not_found"
    assert bob.call("notifications:read-all") == {"ok": True}


SENDING = "docs/how-to/sending.md"


def test_sending_with_the_store(serve: Serve) -> None:
    page = serve(SENDING, only=0)
    alice, bob, carol = (page.connect(name) for name in ("alice", "bob", "carol"))
    assert bob.call("join:conversation", "1") == {"ok": True}
    sent = {"conversationId": "1", "clientId": "c1", "content": "hello"}
    message = {"id": "1", "from": "Alice", "content": "hello"}
    assert [alice.call("message:send", sent) for _ in range(2)] == [{"ok": True, "message": message}] * 2
    assert page.request("POST", "/conversations/1/messages", "alice", sent) == message
    assert bob.wait_for("message:new").data == message
    bob.assert_none("message:new")
    assert carol.call("message:send", sent)["error"]["code"] == "forbidden"
    assert page.request("POST", "/conversations/1/messages", "bob", sent)["id"] == "2"
    assert bob.wait_for("message:new").data["from"] == "Bob"


def test_sending_with_tables_of_ones_own(serve: Serve) -> None:
    page = serve(SENDING, only=1)
    alice, bob, carol = (page.connect(name) for name in ("alice", "bob", "carol"))
    assert bob.call("join:conversation", "lobby") == {"ok": True}
    sent = {"conversationId": "lobby", "clientId": "c1", "content": "hello"}
    message = {"id": 1, "author": "alice", "content": "hello"}
    assert [alice.call("message:send", sent) for _ in range(2)] == [{"ok": True, "message": message}] * 2
    assert bob.wait_for("message:new").data == message
    bob.assert_none("message:new")
    assert carol.call("message:send", sent)["error"]["code"] == "forbidden"


OUTBOX = "docs/how-to/outbox.md"


def test_what_is_logged_is_sent_and_given_to_who_was_away(serve: Serve) -> None:
    page = serve(OUTBOX)
    alice, bob = page.connect("alice"), page.connect("bob")
    assert bob.call("join:conversation", "1") == {"ok": True}
    cursor = bob.call("sync", {"cursor": None, "limit": 200})["cursor"]
    assert page.request("POST", "/conversations/1/messages", "alice", {"content": "hello"}) == {"id": "1"}
    message = bob.wait_for("message:new").data
    assert message["content"] == "hello"
    order = page.request("POST", "/users/bob/orders", "alice", {"status": "sent"})
    assert bob.wait_for("order:update").data == {**order, "status": "new"}
    events = bob.call("sync", {"cursor": cursor})["events"]
    assert [(item["event"], item["args"]) for item in events] == [
        ("message:new", [message]),
        ("order:update", [{**order, "status": "new"}]),
    ]
    assert page.request("GET", f"/sync?cursor={cursor}", "bob")["events"] == events
    assert alice.received("order:update") == []


def test_an_order_that_is_not_committed_is_never_heard_of(serve: Serve) -> None:
    page = serve(OUTBOX)
    bob = page.connect("bob")
    headers = {"Authorization": f"Bearer {token('bob')}"}
    refused = requests.post(f"{page.url}/users/bob/orders", json={"status": "lost"}, headers=headers, timeout=SECONDS)
    assert refused.status_code == 400
    order = page.request("POST", "/users/bob/orders", "bob", {"status": "sent"})
    assert bob.wait_for("order:update").data["id"] == order["id"]
    bob.assert_none("order:update")
    assert len(bob.call("sync", {"cursor": "log-0"})["events"]) == 1
    wrong = requests.get(f"{page.url}/sync?cursor=x", headers=headers, timeout=SECONDS)
    assert wrong.status_code == 400


def test_adopting(serve: Serve) -> None:
    page = serve("docs/how-to/adopting.md")
    with pytest.raises(Refused):
        page.connect("alice", auth={})
    alice = page.connect("alice")
    assert alice.call("legacy", 5) == {"got": 5}
    assert alice.wait_for("legacy:back").data == 5
    assert alice.call("join:conversation", "7") == {"ok": True}


def test_a_connection_s_address_is_the_one_that_a_proxy_names(serve: Serve) -> None:
    page = serve("docs/how-to/deploying.md")
    headers = {"X-Forwarded-For": "203.0.113.7", "Origin": "https://chat.example.org"}
    alice = page.connect("alice", extraHeaders=headers, transports=["polling"])
    assert alice.call("whereami") == "203.0.113.7"


def test_health_checks(serve: Serve) -> None:
    page = serve("docs/how-to/deploying.md", only=0)
    assert page.request("GET", "/livez") == {"status": "ok"}
    for path in ("/readyz", "/healthz"):
        assert page.request("GET", path) == {"status": "ok", "checks": {"database": "ok", "messageQueue": "ok"}}


FEATURES = "docs/how-to/features.md"


def test_features(serve: Serve) -> None:
    page = serve(FEATURES)
    alice, bob = page.connect("alice"), page.connect("bob")
    result = bob.call("poll:vote", {"poll": "lunch", "choice": 2})
    assert result == {"poll": "lunch", "votes": {"2": 1}, "closed": False, "version": result["version"]}
    assert alice.wait_for("poll:result").data == result
    assert page.request("GET", "/polls/lunch") == {"result": result}
    page.request("POST", "/polls/lunch/remind")
    assert bob.wait_for("poll:result").data == bob.wait_for("poll:result").data == result
    by_request = page.request("PUT", "/api/polls/lunch/vote", "alice", {"choice": 2})
    assert by_request["votes"] == bob.wait_for("poll:result").data["votes"] == {"2": 2}
    assert "choice" in bob.call("poll:vote", {"poll": "lunch", "choice": "many"})["error"]["message"]
    assert bob.call("poll:vote", {"poll": "tea", "choice": 1})["error"]["code"] == "not_found"
    assert alice.call("poll:close", "lunch")["closed"] is True
    assert bob.call("poll:vote", {"poll": "lunch", "choice": 1})["error"]["code"] == "forbidden"
    assert page.value("closed_polls") == ["lunch"]


def test_a_poll_is_the_same_on_several_servers(tmp_path: Path) -> None:
    with RedisServer() as redis, ExitStack() as stack:
        setting = f'app.config["REALTIME_MESSAGE_QUEUE"] = "{redis.url}"\n'
        (tmp_path / "page.py").write_text(python(FEATURES).replace("realtime.init_app(app)", setting + "realtime.init_app(app)"))
        servers = [stack.enter_context(gunicorn("page:app", {"PYTHONPATH": str(tmp_path)})) for _ in range(2)]
        pages = [ServedPage(server, stack) for server in servers]
        voters = [pages[number % 2].connect(f"voter {number}") for number in range(10)]
        votes = [{"poll": "lunch", "choice": 1 if number < 6 else 2} for number in range(10)]
        with ThreadPoolExecutor(len(voters)) as threads:
            answers = list(threads.map(lambda voter, vote: voter.call("poll:vote", vote), voters, votes))
        assert len({answer["version"] for answer in answers}) == 10
        last = max(answers, key=lambda answer: answer["version"])
        assert last["votes"] == {"1": 6, "2": 4}
        assert [page.request("GET", "/polls/lunch") for page in pages] == [{"result": last}] * 2
        assert pages[1].connect("alice").call("poll:close", "lunch")["closed"] is True
        assert voters[0].call("poll:vote", votes[0])["error"]["code"] == "forbidden"


def test_the_command_line(tmp_path: Path) -> None:
    lines = "\n".join(blocks(COMMAND_LINE, "sh"))
    commands = re.findall(r"^flask --app chat realtime (.*?)(?: +#.*| \| .*)?$", lines, re.MULTILINE)
    stored = [command for command in commands if command.startswith(("log", "jobs"))]
    with RedisServer() as redis, ExitStack() as stack:
        program = python(COMMAND_LINE).replace("redis://localhost:6379/0", redis.url)
        (tmp_path / "page.py").write_text(program, encoding="utf-8")
        (tmp_path / "commands.py").write_text(RUN_COMMANDS, encoding="utf-8")
        variables = {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
        page = ServedPage(stack.enter_context(gunicorn("page:app", variables)), stack)
        alice, bob = page.connect("alice"), page.connect("bob")
        assert alice.call("join:conversation", "lobby") == {"ok": True}
        command = [sys.executable, "commands.py", *commands]
        done = subprocess.run(
            command, cwd=tmp_path, env=process_environment(variables), capture_output=True, text=True, check=True, timeout=60
        )
        first_last = list(zip(commands, json.loads(done.stdout), strict=True))[::-1]
        results = dict(first_last)  # The first run of one that the page has twice, before anybody is kicked.
        assert {command: result for command, result in results.items() if command not in stored and result[0] != 0} == {}
        assert results["online"][1] == "alice\nbob\n"
        assert results["rooms"][1] == "lobby\t1\t1\n"
        assert [line.split("\t")[0] for line in results["connections"][1].splitlines()] == ["alice", "bob"]
        assert results["kick alice --reason spam --yes"][1] == "1 connection\n"
        # The page's application has no store; the commands that need one say so, and know their options.
        assert [(results[command][0], "store" in results[command][2]) for command in stored] == [(1, True)] * len(stored)
        alice.wait_for_disconnect()
        assert bob.wait_for("notice").data == {"text": "Back at noon"}


def test_the_features_have_the_types_that_the_page_shows(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(python(FEATURES), encoding="utf-8")
    command = [sys.executable, "-m", "flask", "--app", "page", "realtime", "types"]
    variables = process_environment({"PYTHONPATH": f"{ROOT}:{tmp_path}"})
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True, timeout=60)
    (excerpt,) = re.findall(r"```typescript\n(.*?)```", (ROOT / FEATURES).read_text(encoding="utf-8"), re.DOTALL)
    assert [line for line in excerpt.splitlines() if line not in done.stdout.splitlines()] == []


def test_the_features_page_is_short_and_its_script_is_javascript() -> None:
    (page,) = blocks(FEATURES, "html")
    assert len(page.splitlines()) <= 40
    script = page.rpartition("<script>")[2].partition("</script>")[0]
    checked = subprocess.run([node(), "--check", "-"], input=script, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(("name", "count"), [("docs/how-to/testing.md", 4), (FEATURES, 2), (AUTHENTICATION, 1)])
def test_testing(tmp_path: Path, name: str, count: int) -> None:
    (tmp_path / "test_page.py").write_text(python(name), encoding="utf-8")
    # The plugin is named: where the package is installed, pytest finds it by itself.
    command = [sys.executable, "-m", "pytest", "-p", "no:flask_realtime", "-p", "flask_realtime.testing.plugin", "-W", "error"]
    variables = process_environment({"PYTHONPATH": str(ROOT)})
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False, timeout=60)
    assert f"{count} passed" in done.stdout, done.stdout + done.stderr


def test_from_polling(serve: Serve) -> None:
    page = serve("docs/how-to/from-polling.md")
    alice, bob = page.connect("alice"), page.connect("bob")
    for client in (alice, bob):
        assert client.call("join:conversation", "lobby") == {"ok": True}
    page.request("POST", "/api/conversations/lobby/messages", "alice", {"content": "Hello"})
    assert bob.wait_for("message:new").data["content"] == "Hello"
    assert page.request("GET", "/api/messages/unread-count", "bob") == {"unreadCount": 1}
    assert page.connect("mallory").call("join:conversation", "lobby")["error"]["code"] == "forbidden"


def test_limits(serve: Serve) -> None:
    page = serve("docs/how-to/limits.md")
    alice, other_tab, bob = page.connect("alice"), page.connect("alice"), page.connect("bob")
    assert [alice.call("poll:vote", choice) for choice in (1, 2)] == [{"votes": 1}, {"votes": 2}]
    refused = other_tab.call("poll:vote", 3)["error"]
    assert (refused["code"], refused["retryAfter"] > 0) == ("rate_limited", True)
    assert bob.call("poll:vote", 1) == {"votes": 3}


def test_admin_ui() -> None:
    names: dict[str, Any] = {"__name__": __name__}
    exec(python("docs/how-to/admin-ui.md"), names)  # noqa: S102 - the page's own code
    app = names["create_app"](generate_password_hash("correct horse battery"), mode="development", read_only=True)
    options = ["admin", "--server", "https://chat.example.org"]
    done = CliRunner().invoke(commands, options, obj=ScriptInfo(create_app=lambda: app), input="correct horse battery\n" * 2)
    printed = [line.partition(":")[::2] for line in done.output.splitlines()]
    shown = [line.partition(":")[::2] for line in blocks("docs/how-to/admin-ui.md", "console")[0].splitlines()[1:]]
    assert [label for label, _ in printed] == [label for label, _ in shown]
    assert printed[4:] == shown[4:]
