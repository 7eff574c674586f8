"""Mistakes in registering hooks and handlers: each is an error where it is written, which says how to mend it."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask_socketio import SocketIO

from flask_realtime import Feature, Realtime, RealtimeEmitter
from flask_realtime.errors import ConfigError, RegistrationError
from flask_realtime.extension import BUILT_IN as FEATURES
from flask_realtime.rest import rest_blueprint
from flask_realtime.signatures import signature_of

HOOKS = {
    "authenticate": 2,
    "authorize_join": 2,
    "presence_audience": 1,
    "may_see_presence": 2,
    "revoked_tokens": 1,
    "on_connect": 1,
    "on_disconnect": 2,
    "on_user_online": 1,
    "on_user_offline": 1,
    "on_join": 2,
    "on_leave": 2,
    "on_message_send": 2,
    "may_moderate": 2,
    "may_add_members": 2,
    "on_messages_read": 2,
    "on_messages_delivered": 2,
    "on_notification_read": 2,
    "on_notifications_read_all": 1,
    "on_notification_delivered": 2,
    "may_see_analytics": 1,
    "on_error": 3,
}
"""How many arguments each hook gets."""

BUILT_IN = [name for feature in FEATURES for name in feature.incoming]


def takes_none() -> None: ...


def takes_one(_first: Any) -> None: ...


def takes_two(_first: Any, _second: Any) -> None: ...


def takes_three(_first: Any, _second: Any, _third: Any) -> None: ...


def takes_four(_first: Any, _second: Any, _third: Any, _fourth: Any) -> None: ...


def takes_any(*_args: Any) -> None: ...


def takes_options(**_options: Any) -> None: ...


def takes_optional(_first: Any, _second: Any = None, _third: Any = None, *, _option: Any = None) -> None: ...


def wants_option(_first: Any, _second: Any = None, _third: Any = None, *, option: Any) -> None: ...


async def waits(*_args: Any) -> None: ...


def yields(*_args: Any) -> Iterator[None]:
    yield


TAKING: tuple[Callable[..., None], ...] = (takes_none, takes_one, takes_two, takes_three, takes_four)


class Chat:
    """An object whose methods are hooks."""

    def joined(self, _identity: Any, _conversation_id: Any) -> None: ...

    def __call__(self, _identity: Any, _conversation_id: Any) -> None: ...

    @staticmethod
    def left(_identity: Any, _conversation_id: Any) -> None: ...

    @classmethod
    def read(cls, _identity: Any, _notification_id: Any) -> None: ...


class WaitingChat:
    """An object whose call is a coroutine."""

    async def __call__(self, *_args: Any) -> None: ...


def injecting(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return function(*args, "a session")

    return call


def narrowing(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(identity: Any) -> Any:
        return function(identity, None)

    return call


@pytest.mark.parametrize(("hook", "count"), HOOKS.items())
def test_a_hook_must_take_what_it_gets(hook: str, count: int) -> None:
    for function in (takes_any, TAKING[count], functools.partial(TAKING[count + 1], None)):
        assert getattr(Realtime(), hook)(function) is function
    unfit: Any
    for unfit in (TAKING[count - 1], TAKING[count + 1], takes_options, wants_option, functools.partial(TAKING[count], None)):
        with pytest.raises(RegistrationError, match=rf"^{hook}: .* cannot be called with \(.+\): .* Its parameters must be \("):
            getattr(Realtime(), hook)(unfit)


@pytest.mark.parametrize("function", [Chat().joined, Chat(), Chat.left, Chat.read, takes_optional, injecting(takes_three), pow])
def test_whatever_takes_the_arguments_is_a_hook(function: Any) -> None:
    assert Realtime().on_join(function) is function
    assert Realtime().on("chat:join", payload=dict)(function) is function


@pytest.mark.parametrize("hook", [*HOOKS, "on"])
@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (waits, "waits is a coroutine function; nothing would await it"),
        (functools.partial(waits, 1), "waits is a coroutine function"),
        (WaitingChat(), "is a coroutine function"),
        (yields, "yields is a generator function; calling it would run none of its code"),
        (Chat, "Chat is a class; calling it would only create an object"),
        (None, r"takes a function \(.+\), not None"),
        ("may_join", r"takes a function \(.+\), not 'may_join'"),
        (True, r"takes a function \(.+\), not True"),
    ],
)
def test_what_is_no_plain_function_is_refused(hook: str, function: Any, reason: str) -> None:
    realtime = Realtime()
    register = realtime.on("chat:say") if hook == "on" else getattr(realtime, hook)
    with pytest.raises(RegistrationError, match=rf"{hook}.*{reason}"):
        register(function)


def test_the_error_for_what_is_no_function_says_what_a_handler_gets() -> None:
    function: Any
    for function in (None, Chat):
        with pytest.raises(RegistrationError, match=r"function \(identity, \*arguments\)"):
            Realtime().on("chat:say")(function)
        with pytest.raises(RegistrationError, match=r"function \(identity, payload\)"):
            Realtime().on("chat:say", payload=dict)(function)


def test_a_method_that_has_no_object_is_refused() -> None:
    for register in (Realtime().on_join, Realtime().on("chat:say"), Realtime().on("chat:say", payload=dict)):
        with pytest.raises(
            RegistrationError, match=r"Chat.joined\(self, .*it is a method without its object. Register the method of"
        ):
            register(Chat.joined)


@pytest.mark.parametrize("function", [takes_one, takes_two, takes_four, takes_any, takes_optional, narrowing(takes_two)])
def test_a_handler_takes_the_identity_and_as_many_arguments_as_it_likes(function: Any) -> None:
    assert Realtime().on("chat:say")(function) is function


@pytest.mark.parametrize("function", [takes_none, takes_options, wants_option, functools.partial(takes_one, 1)])
def test_a_handler_that_cannot_get_the_identity_is_refused(function: Any) -> None:
    with pytest.raises(RegistrationError, match=r"^on\('chat:say'\): .* the identity and the event's arguments, by position: "):
        Realtime().on("chat:say")(function)


def test_the_error_says_which_parameters_a_handler_may_have() -> None:
    def handler(identity: Any, text: str, more: int = 1, *, option: str) -> None: ...

    with pytest.raises(RegistrationError, match=r"Its parameters must be \(identity, text\); more need defaults\.$"):
        Realtime().on("chat:say")(handler)


def test_a_decorated_function_shows_the_signature_of_the_one_inside() -> None:
    def inside(identity: Any, text: str) -> None: ...

    @functools.wraps(inside)
    def outside(*_args: Any) -> None: ...

    assert list(signature_of(outside).parameters) == ["identity", "text"]
    assert len(signature_of(print).parameters) > 0


@pytest.mark.parametrize("function", [takes_one, takes_three, narrowing(takes_two)])
def test_a_handler_of_a_declared_payload_takes_it(function: Any) -> None:
    with pytest.raises(RegistrationError, match=r"^on\('chat:say'\): .* cannot be called with \(identity, payload\): "):
        Realtime().on("chat:say", payload=dict)(function)


@pytest.mark.parametrize("hook", [*HOOKS, "on"])
def test_a_decorator_without_its_argument_shows_how_it_is_written(hook: str) -> None:
    usage = r"@realtime\.on\('my:event'\) above" if hook == "on" else rf"@realtime\.{hook}, without parentheses, above"
    with pytest.raises(RegistrationError, match=usage):
        getattr(Realtime(), hook)()


def test_a_bare_on_shows_how_it_is_written() -> None:
    for function in (takes_two, functools.partial(takes_three, 1), Chat().joined):
        with pytest.raises(
            RegistrationError, match=r"on takes the event's name: write @realtime\.on\('my:event'\) above .*, not @realtime.on\."
        ):
            Realtime().on(function)  # type: ignore[arg-type]


def test_hooks_are_documented_as_they_are_written() -> None:
    assert list(inspect.signature(Realtime.on).parameters) == ["self", "event", "payload", "binary", "limit"]
    assert list(inspect.signature(Realtime.on_join).parameters) == ["self", "hook"]
    assert Realtime().on_join(hook=takes_two) is takes_two


@pytest.mark.parametrize("event", [*BUILT_IN, "connect", "disconnect"])
def test_the_error_for_a_built_in_event_names_its_hook_or_says_that_there_is_none(event: str) -> None:
    with pytest.raises(RegistrationError, match=f"'{event}' is ") as caught:
        Realtime().on(event)(takes_two)
    named = [hook for hook in HOOKS if f"{hook} is" in str(caught.value)]
    assert bool(named) != ("There is no hook for it." in str(caught.value))


@pytest.mark.parametrize(
    ("event", "hook"),
    [
        ("join:conversation", "authorize_join is the hook that decides who may join, on_join the one that is notified"),
        ("notification:read", "on_notification_read is its hook"),
        ("typing:start", "There is no hook for it"),
        ("connect", "on_connect is its hook"),
    ],
)
def test_the_hook_that_is_named_is_the_right_one(event: str, hook: str) -> None:
    with pytest.raises(RegistrationError, match=hook):
        Realtime().on(event)(takes_two)


class State:
    """A feature's state."""

    def __init__(self, _context: Any) -> None: ...


class StateOfNothing:
    """A state that takes no context."""


@pytest.mark.parametrize("state", [State, takes_one, takes_any, functools.partial(takes_two, 1), [].append])
def test_whatever_takes_a_context_makes_a_features_state(state: Any) -> None:
    assert Feature("notes", state=state).make_state is state


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (takes_none, r"takes_none\(\) -> None cannot be called with \(context\): .*Its parameters must be \(context\)"),
        (StateOfNothing, r"StateOfNothing\(\).* cannot be called with \(context\): .*Its parameters must be \(context\)"),
        (State.__init__, "it is a method without its object"),
        (waits, "waits is a coroutine function; nothing would await it"),
        (None, r"takes a function or class \(context\), not None"),
        ("state", r"takes a function or class \(context\), not 'state'"),
    ],
)
def test_a_state_that_cannot_be_made_is_an_error_of_the_declaration(state: Any, reason: str) -> None:
    with pytest.raises(RegistrationError, match=f"^notes: state.*{reason}"):
        Feature("notes", state=state)


@pytest.mark.parametrize("authenticate", [takes_one, State, "ann"])
def test_a_blueprint_refuses_an_authentication_that_takes_arguments(authenticate: Any) -> None:
    with pytest.raises(RegistrationError, match=r"^rest_blueprint\(authenticate=\.\.\.\)"):
        rest_blueprint("rest", FEATURES, authenticate)


@pytest.mark.parametrize("hook", ["on_join", None, takes_two])
def test_a_hook_is_given_as_its_feature_returned_it(hook: Any) -> None:
    told = r"^realtime\.hook takes a hook, as Feature\.hook returned it, not .*@realtime\.on_join"
    with pytest.raises(RegistrationError, match=told):
        Realtime().hook(hook)


@pytest.mark.parametrize("feature", ["notes", None, Feature])
def test_a_feature_is_what_is_registered(feature: Any) -> None:
    with pytest.raises(RegistrationError, match=r"^realtime\.register takes a Feature, not "):
        Realtime().register(feature)


@pytest.mark.parametrize("payload", [3, "no such type", object()])
def test_a_payload_that_is_no_type_is_an_error_that_names_its_event(payload: Any) -> None:
    told = r"'note:add'\): payload must be a type that pydantic can check, such as a dataclass, not "
    with pytest.raises(RegistrationError, match=rf"^on\({told}"):
        Realtime().on("note:add", payload=payload)(takes_two)
    with pytest.raises(RegistrationError, match=rf"^notes: event\({told}"):
        Feature("notes", state=State).event("note:add", payload=payload)(takes_three)


@pytest.mark.parametrize("url", [None, 6379, b"redis://localhost", "", "localhost:6379", "http://localhost"])
def test_an_emitter_wants_the_url_of_a_message_queue(url: Any) -> None:
    with pytest.raises(ConfigError, match=r"REALTIME_MESSAGE_QUEUE.*'redis://localhost:6379/0', not "):
        RealtimeEmitter(url)


@pytest.mark.parametrize(
    ("options", "key"), [({"channel": None}, "MESSAGE_QUEUE_CHANNEL"), ({"retention": 0}, "MESSAGE_QUEUE_RETENTION")]
)
def test_an_emitter_checks_its_other_arguments(options: Any, key: str) -> None:
    with pytest.raises(ConfigError, match=f"REALTIME_{key} must be "):
        RealtimeEmitter("redis://localhost:6379/0", **options)


def test_an_emitter_takes_the_url_of_a_message_queue() -> None:
    with contextlib.closing(RealtimeEmitter("redis://localhost:6379/0", channel="chat", retention=5)):
        pass


@pytest.mark.parametrize("app", ["chat", SocketIO(), Flask])
def test_the_extension_wants_an_application(app: Any) -> None:
    with pytest.raises(ConfigError, match=r"is set up on a Flask application, not on .*: Realtime\(app\), or Realtime\(socketio="):
        Realtime(app)
