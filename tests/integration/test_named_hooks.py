"""The error for a handler of a built-in event: it names the hooks that the event asks, and no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_realtime import Identity, Realtime
from flask_realtime.errors import Forbidden, RegistrationError
from flask_realtime.extension import BUILT_IN
from tests.integration.conftest import Connect, MakeApp
from tests.unit.test_registration import HOOKS

MESSAGE = {"conversationId": "7", "messageId": "1"}
SEEN = {"conversationId": "7", "messageIds": ["1"]}
REACTION = {"messageId": "1", "emoji": "👍"}

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "join:conversation": ("7",),
    "leave:conversation": ("7",),
    "conversation:get-online-users": ("8",),
    "message:pin": (MESSAGE,),
    "message:unpin": (MESSAGE,),
    "typing:start": ({"conversationId": "7"},),
    "typing:stop": ({"conversationId": "7"},),
    "message:send": ({"conversationId": "7", "content": "hello", "clientId": "c1"},),
    "message:edit": ({"messageId": "1", "content": "hello"},),
    "message:delete": ({"messageId": "1"},),
    "messages:read": (SEEN,),
    "messages:delivered": (SEEN,),
    "reaction:add": (REACTION,),
    "reaction:remove": (REACTION,),
    "notification:read": ("3",),
    "notifications:read-all": (),
    "notification:delivered": ("3",),
    "sync": ({},),
    "user:get-status": ("ben",),
    "users:get-status": (["ben"],),
    "presence:set": ({"state": "invisible"},),
    "presence:get": (["ben"],),
    "presence:idle": (),
    "presence:active": (),
    "auth:refresh": ("a token",),
}
"""What a client sends with each built-in event."""

BEFORE = {
    "leave:conversation": "join:conversation",
    "typing:start": "join:conversation",
    "typing:stop": "join:conversation",
    "presence:active": "presence:idle",
}
"""The event that has to come first, for one to have any effect."""

NEED_A_STORE = {"message:delete": {"may_moderate"}}
"""Hooks that are asked of stored messages alone."""

RESULTS: dict[str, Callable[..., Any]] = {
    "authenticate": lambda _auth, _environ: Identity("ann"),
    "authorize_join": lambda _identity, _conversation_id: True,
    "presence_audience": lambda _user_id: ["ben"],
    "may_see_presence": lambda _identity, user_ids: user_ids,
    "revoked_tokens": lambda _token_ids: [],
}


def refuse(*_arguments: object) -> None:
    raise Forbidden


def nothing(*_arguments: object) -> None: ...


@pytest.mark.parametrize("event", [name for feature in BUILT_IN for name in feature.incoming])
def test_the_error_for_a_built_in_event_names_the_hooks_that_it_asks(make_app: MakeApp, connect: Connect, event: str) -> None:
    app, asked = make_app(), set[str]()
    realtime = Realtime()
    for hook in HOOKS:
        add_recorder(realtime, hook, asked)
    realtime.init_app(app)
    with pytest.raises(RegistrationError) as caught:
        Realtime().on(event)(refuse)
    named = {hook for hook in HOOKS if hook in str(caught.value)} - NEED_A_STORE.get(event, set())
    with connect(app, "ann") as ann:
        # They are called when a connection begins, some of them a moment later.
        ann._wait(lambda: {"on_connect", "on_user_online", "presence_audience"} <= asked, 5, "the hooks of a connection")
        if event in BEFORE:
            ann.call(BEFORE[event], *ARGUMENTS[BEFORE[event]])
        asked.clear()
        answer = ann.call(event, *ARGUMENTS[event])
        ann._wait(lambda: named <= asked, 5, f"{named - asked} of {event}, answered {answer},")
        assert asked == named, answer


def add_recorder(realtime: Realtime, hook: str, asked: set[str]) -> None:
    result = RESULTS.get(hook, refuse if hook.startswith("on_message") else nothing)

    def record(*arguments: Any) -> Any:
        asked.add(hook)
        return result(*arguments)

    getattr(realtime, hook)(record)
