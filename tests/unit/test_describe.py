"""Types as JSON Schema, and JSON Schema as TypeScript."""

import datetime as dt
import functools
import sys
from collections.abc import Callable
from typing import Any, TypedDict

import pytest

from flask_realtime.describe.asyncapi import asyncapi
from flask_realtime.describe.events import Description
from flask_realtime.describe.events import describe as describe_all
from flask_realtime.describe.schemas import Schemas
from flask_realtime.describe.typescript import expression, typescript
from flask_realtime.extension import BUILT_IN
from flask_realtime.features.presence.events import UserStatus
from flask_realtime.features.receipts.events import MessagesReadPayload
from flask_realtime.hooks import ApplicationEvent

describe = functools.partial(describe_all, BUILT_IN)

STRING = {"type": "string"}
NUMBER = {"type": "number"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (True, "unknown"),
        (False, "never"),
        ({}, "unknown"),
        ({"type": "string", "format": "date-time"}, "string"),
        ({"type": "string", "format": "binary"}, "ArrayBuffer | ArrayBufferView"),
        ({"type": ["integer", "null"]}, "number | null"),
        ({"const": 'it\'s "so" \\'}, "'it\\'s \"so\" \\\\'"),
        ({"const": None}, "null"),
        ({"enum": [1, True, "x"]}, "1 | true | 'x'"),
        ({"$ref": "#/components/schemas/Vote"}, "Vote"),
        ({"anyOf": [STRING, {"oneOf": [NUMBER, STRING]}]}, "string | number"),
        ({"allOf": [{"$ref": "#/components/schemas/A"}, {"anyOf": [STRING, NUMBER]}]}, "A & (string | number)"),
        ({"type": "array", "items": {"anyOf": [STRING, NUMBER]}}, "(string | number)[]"),
        ({"type": "array", "items": {"allOf": [STRING, NUMBER]}}, "(string & number)[]"),
        ({"type": "array"}, "unknown[]"),
        ({"type": "array", "prefixItems": [STRING, NUMBER], "minItems": 2, "maxItems": 2}, "[string, number]"),
        ({"type": "array", "prefixItems": [STRING], "items": NUMBER}, "[string, ...number[]]"),
        ({"type": "object"}, "Record<string, any>"),
        ({"type": "object", "additionalProperties": True}, "Record<string, any>"),
        ({"type": "object", "additionalProperties": False}, "Record<string, never>"),
        ({"type": "object", "additionalProperties": {"type": ["integer", "null"]}}, "Record<string, number | null>"),
        ({"type": "object", "properties": {"a": STRING, "b c": NUMBER}, "required": ["a"]}, "{ a: string, 'b c'?: number }"),
        ({"type": "object", "properties": {"a": STRING}, "additionalProperties": True}, "{ a?: string, [name: string]: any }"),
    ],
)
def test_a_schema_as_typescript(schema: Any, expected: str) -> None:
    assert expression(schema) == expected


def test_a_type_of_the_contract_is_kept_by_its_name() -> None:
    schemas = Schemas()
    assert schemas.of(list[UserStatus]) == {"type": "array", "items": {"$ref": "#/components/schemas/UserStatus"}}
    assert schemas.of(MessagesReadPayload) == {"$ref": "#/components/schemas/MessagesReadPayload"}
    assert list(schemas.named) == ["UserStatus", "MessagesReadPayload"]
    read = schemas.named["MessagesReadPayload"]
    assert read["required"] == ["conversationId", "messageIds"]
    assert read["properties"]["messageIds"]["items"] == {"anyOf": [STRING, {"type": "integer"}]}


def test_types_of_one_name_are_kept_apart() -> None:
    class Page(TypedDict):
        number: int

    first = Page

    def second() -> Any:
        class Page(TypedDict):
            title: str

        return Page

    schemas = Schemas()
    references = [schemas.of(kind)["$ref"].rpartition("/")[2] for kind in (first, second(), first)]
    assert references == ["Page", "Page2", "Page"]


def described(name: str, handler: Callable[..., Any]) -> str:
    """The type of the function for one event of an application's own."""
    lines = typescript(describe([ApplicationEvent(name, handler)])).splitlines()
    (line,) = (line for line in lines if line.startswith(f"  '{name}': "))
    return line.removeprefix(f"  '{name}': ").removesuffix(";")


def not_annotated(_identity, poll):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - that is what it shows
    raise NotImplementedError


def for_type_checkers(_identity: Any) -> "Nowhere":  # type: ignore[name-defined]  # noqa: F821 - that is what it shows
    raise NotImplementedError


def without_schema(_identity: Any) -> Description | Callable[..., Any]:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (not_annotated, "(poll: unknown, callback?: (answer: unknown) => void) => void"),
        (for_type_checkers, "(callback?: (answer: unknown) => void) => void"),
        (without_schema, "(callback?: (answer: unknown) => void) => void"),
        (functools.partial(not_annotated, poll=1), "(...args: any[]) => void"),
        (lambda _identity, *args: args, "(...args: any[]) => void"),
    ],
)
def test_what_an_application_does_not_say_is_unknown(handler: Callable[..., Any], expected: str) -> None:
    assert described("it", handler) == expected


def with_a_date(_identity: Any) -> dt.date:
    raise NotImplementedError


def test_the_contract_is_described_without_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    assert described("today", with_a_date) == "(callback?: (answer: string | ErrorAnswer) => void) => void"
    with_pydantic = typescript(describe(()))
    monkeypatch.setitem(sys.modules, "pydantic", None)
    assert described("today", with_a_date) == "(callback?: (answer: unknown) => void) => void"
    assert typescript(describe(())) == with_pydantic


def test_an_answer_says_nothing_of_how_a_date_is_written() -> None:
    assert Schemas().of(dt.date) == {"type": "string"}
    assert Schemas().of_payload(dt.date) == {"type": "string", "format": "date"}


def test_every_event_of_the_contract_is_described_in_its_directions() -> None:
    description = describe(())
    assert [event.name for event in description.client_events] == [name for feature in BUILT_IN for name in feature.incoming]
    assert [event.name for event in description.server_events] == [
        *(name for feature in BUILT_IN for name in feature.outgoing_events),
        "realtime:ready",
        "realtime:error",
    ]


def test_an_event_has_a_callback_that_may_be_left_out_unless_it_is_a_question() -> None:
    text = typescript(describe(()))
    both = "Acknowledgement | ErrorAnswer"
    assert f"  'join:conversation': (conversationId: string | number, callback?: (answer: {both}) => void) => void;" in text
    assert f"  'notifications:read-all': (callback?: (answer: {both}) => void) => void;" in text
    asked = "(userIds: (string | number)[], callback: (answer: UserStatus[] | ErrorAnswer) => void) => void;"
    assert f"  'users:get-status': {asked}" in text


def test_names_that_read_alike_become_different_operations() -> None:
    events = [ApplicationEvent(name, not_annotated) for name in ("poll:close", "poll-close", "!", "?")]
    document = asyncapi(describe(events), title="polls", version="1.0.0", path="/socket.io/")
    titles = {key: operation["title"] for key, operation in document["operations"].items()}
    assert titles["receive.pollClose"] == "poll:close"
    assert titles["receive.pollClose2"] == "poll-close"
    assert (titles["receive.event"], titles["receive.event2"]) == ("!", "?")


def test_an_event_of_both_directions_is_two_operations() -> None:
    document = asyncapi(describe(()), title="chat", version="2.0.0", path="/realtime/")
    assert (document["info"]["title"], document["info"]["version"]) == ("chat", "2.0.0")
    assert document["servers"]["server"]["pathname"] == "/realtime/"
    operations, messages = document["operations"], document["channels"]["namespace"]["messages"]
    assert operations["receive.typingStart"]["action"] == "receive"
    assert "reply" in operations["receive.typingStart"]
    assert operations["send.typingStart"]["action"] == "send"
    assert messages["typingStart.fromClient"]["payload"] == {"$ref": "#/components/schemas/ConversationReference"}
    assert messages["typingStart.fromServer"]["payload"] == {"$ref": "#/components/schemas/TypingPayload"}
