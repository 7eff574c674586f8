"""Events of the log that were sent already: what is remembered, recalled, and left out of what a client has missed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flask_realtime.backends.backend import Backend
from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.backends.bus import Envelope
from flask_realtime.backends.recovery import LoggedEvent, Place
from flask_realtime.gateway.delivery import sent as module
from flask_realtime.gateway.delivery.sent import SentEvents
from flask_realtime.gateway.recovery.offsets import Offset


class Queue:
    """What servers share: what they sent before this one, `here`, started."""

    recovery = SimpleNamespace(name="here")

    def __init__(self) -> None:
        self.kept = [Envelope("mark", {}, origin="there"), envelope("a")]
        self.recalls = 0
        self.is_away = False

    def recall(self) -> Iterator[Envelope]:
        self.recalls += 1
        if self.is_away:
            raise BackendUnavailable
        yield from self.kept


def envelope(logged: str) -> Envelope:
    return Envelope("send", {"rooms": None, "logged": logged}, origin="there")


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def sent(queue: Queue) -> SentEvents:
    return SentEvents(cast("Backend", queue))


def test_what_was_sent_is_known_once_it_is_noted(sent: SentEvents) -> None:
    assert "a" not in sent
    assert sent.note("a")
    assert not sent.note("a")
    assert not sent.note("a", "there")
    assert "a" in sent


def test_what_was_sent_before_the_server_started_is_asked_for_once(sent: SentEvents, queue: Queue) -> None:
    sent.note("b")
    assert sent.was_sent("b")
    assert queue.recalls == 0
    assert sent.was_sent("a")
    assert not sent.was_sent("c")
    assert queue.recalls == 1


def test_what_cannot_be_asked_now_is_asked_later(sent: SentEvents, queue: Queue) -> None:
    queue.is_away = True
    assert not sent.was_sent("a")
    queue.is_away = False
    assert sent.was_sent("a")


def test_no_more_is_remembered_than_the_last(sent: SentEvents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    for name in ("x", "y", "z"):
        sent.note(name)
    assert [name in sent for name in ("x", "y", "z")] == [False, True, True]


def logged(milliseconds: int, origin: str, number: int, name: str | None = "a") -> LoggedEvent:
    header: dict[str, Any] = {"rooms": None, "number": number} | ({} if name is None else {"logged": name})
    return LoggedEvent(Place(milliseconds, 0, 0), origin, "send", header, ())


def without_repeats(sent: SentEvents, *events: LoggedEvent, earlier: Sequence[LoggedEvent] = ()) -> list[LoggedEvent]:
    """What is left for a client that has the first seven events of `there`, and of others what is up to the place 5."""
    client = Offset("there", 7, "era", Place(5, 0, 0))
    copies: defaultdict[str, list[LoggedEvent]] = defaultdict(list)
    for event in (*earlier, *events):
        copies[event.header.get("logged", "")].append(event)
    return sent.without_repeats(events, copies, lambda event: client.is_before(event.origin, event.header["number"], event.place))


def test_of_two_servers_that_sent_an_event_a_client_gets_it_from_the_first(sent: SentEvents) -> None:
    other, first, second = logged(6, "there", 8, None), logged(7, "there", 9), logged(8, "elsewhere", 1)
    sent.note("a", "there")
    assert without_repeats(sent, other, first, second) == [other, first]


def test_a_client_does_not_get_from_a_second_server_what_it_has_from_its_own(sent: SentEvents) -> None:
    assert without_repeats(sent, logged(6, "elsewhere", 1), logged(7, "there", 7)) == []
    assert without_repeats(sent, logged(6, "there", 7), logged(7, "elsewhere", 1)) == []


def test_a_client_does_not_get_again_what_was_sent_before_the_place_up_to_which_it_has_all(sent: SentEvents) -> None:
    sent.note("a", "third")
    sent.note("b", "elsewhere")
    repeated, new = logged(6, "elsewhere", 1), logged(7, "elsewhere", 2, "b")
    assert without_repeats(sent, repeated, new) == [new]


def test_a_client_does_not_get_again_what_another_server_sent_before_this_one_started(sent: SentEvents) -> None:
    repeated, new = logged(6, "elsewhere", 1), logged(7, "elsewhere", 2, "b")
    assert without_repeats(sent, repeated, new, earlier=[logged(4, "third", 1)]) == [new]
    assert without_repeats(sent, repeated, new, earlier=[logged(4, "there", 7)]) == [new]
    assert without_repeats(sent, repeated, new, earlier=[logged(4, "there", 8)]) == [repeated, new]
