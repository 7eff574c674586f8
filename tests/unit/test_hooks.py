"""Registering hooks."""

import dataclasses
import functools
from typing import Any

import pytest

from flask_realtime import Realtime
from flask_realtime.errors import BadRequest, RegistrationError
from flask_realtime.hooks import ApplicationEvent


@dataclasses.dataclass
class Vote:
    choice: int


def allow(*_args: Any) -> bool:
    return True


async def admit(*_args: Any) -> bool:
    return True


@pytest.mark.parametrize("name", ["authorize_join", "presence_audience", "authenticate", "revoked_tokens"])
def test_a_decision_has_one_hook(name: str) -> None:
    realtime = Realtime()
    register = getattr(realtime, name)
    register(allow)
    with pytest.raises(RegistrationError, match=f"{name} is registered already"):
        register(allow)


def test_a_coroutine_function_cannot_admit_anybody() -> None:
    with pytest.raises(RegistrationError, match="coroutine function"):
        Realtime().authorize_join(admit)  # type: ignore[type-var]


def test_a_hook_is_returned_as_it_was() -> None:
    assert Realtime().authorize_join(allow) is allow
    assert Realtime().on("poll:vote")(allow) is allow


@pytest.mark.parametrize("name", ["connect", "disconnect", "realtime:error", "join:conversation", "typing:start", "", "x" * 129, 7])
def test_names_that_are_taken_cannot_be_handled(name: Any) -> None:
    with pytest.raises(RegistrationError):
        Realtime().on(name)(allow)


def test_an_event_has_one_handler() -> None:
    realtime = Realtime()
    realtime.on("poll:vote")(allow)
    with pytest.raises(RegistrationError, match=r"has a handler already \(.*allow\)"):
        realtime.on("poll:vote")(allow)


def test_arguments_are_checked_against_the_signature() -> None:
    def handler(_identity: Any, first: Any, second: Any = None) -> None: ...

    event = ApplicationEvent("poll:vote", handler)
    assert event.arguments([1, 2]) == [1, 2]
    for wrong in ([], [1, 2, 3]):
        with pytest.raises(BadRequest, match=f"poll:vote does not take {len(wrong)} argument"):
            event.arguments(wrong)


def test_a_declared_payload_is_checked_and_the_field_is_named() -> None:
    event = ApplicationEvent("poll:vote", functools.partial(allow), payload=Vote)
    assert event.arguments([{"choice": 1}]) == [Vote(1)]
    with pytest.raises(BadRequest, match=r"^choice: "):
        event.arguments([{"choice": "one"}])
    with pytest.raises(BadRequest, match="takes one argument, not 2"):
        event.arguments([{"choice": 1}, 2])


def test_every_wrong_field_of_a_declared_payload_is_named() -> None:
    event = ApplicationEvent("poll:vote", allow, payload=list[Vote])
    with pytest.raises(BadRequest, match=r"^0\.choice: .*; 2\.choice: Field required$"):
        event.arguments([[{"choice": "one"}, {"choice": 2}, {}]])
    with pytest.raises(BadRequest, match=r"; 9\.choice: Field required; and 990 more$") as caught:
        event.arguments([[{}] * 1000])
    assert str(caught.value).count("Field required") == 10


def test_a_limit_of_an_event_is_read_when_it_is_registered() -> None:
    realtime = Realtime()
    realtime.on("poll:vote", limit="5/minute")(allow)
    realtime.on("poll:close", limit=None)(allow)
    with pytest.raises(RegistrationError, match=r"^on\('poll:open'\): limit must be None or a rate such as .*, not '5 a minute'"):
        realtime.on("poll:open", limit="5 a minute")(allow)
