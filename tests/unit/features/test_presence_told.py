"""What others know of a user in the end, whatever the user did and whenever they asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_realtime.backends.base import Change
from flask_realtime.backends.memory import MemoryConnectedUsers, MemoryRecord
from flask_realtime.contract.effects import Emit
from flask_realtime.feature.connections import Caller
from flask_realtime.feature.context import FeatureContext, Task
from flask_realtime.feature.hook import Hook
from flask_realtime.features.presence.announced_presence import AnnouncedPresence
from flask_realtime.features.presence.events import set_presence
from flask_realtime.features.presence.hooks import PRESENCE_AUDIENCE
from flask_realtime.features.presence.settings import PresenceSettings
from tests.clock import Clock

TICK = 0.1
LATEST = 12.0
"""Seconds after which everybody knows: the 10 of the rate, one until all servers know of a change, and the ticks of the clock."""

Shown = tuple[str, str, str | None]


class Timer(NamedTuple):
    next_deadline: Callable[[], float | None]
    expire: Callable[[], Iterable[Emit]]

    def wake_by(self, deadline: float) -> None:
        """Do nothing: the test looks at each tick."""


class World:
    """The surroundings of the feature, with one who watches as a page does, and takes events in the order in which they come.

    Args:
        offline_delay: Seconds for which a departure waits.
        asks: Whether the application has a hook for the audience.
    """

    def __init__(self, offline_delay: float = 0.0, *, asks: bool = False) -> None:
        self.config = SimpleNamespace(offline_delay=offline_delay)
        self.backend = SimpleNamespace(connected_users=MemoryConnectedUsers(), is_local=True, watch=lambda *_: None)
        self.clock = Clock()
        self.timers: list[Timer] = []
        self.tasks: list[Task] = []
        self.hooks: Mapping[Hook, list[Any]] = {PRESENCE_AUDIENCE: [lambda _user_id: ["ann"]]} if asks else {}
        self.connections: dict[str, str] = {}
        self.numbers = 0
        self.versions: dict[str, int] = {}
        self.heard: list[str] = []
        self.presence = AnnouncedPresence(cast("FeatureContext", self))
        self.presence.settings.load()
        self.ask()

    @property
    def truth(self) -> Shown:
        shown = self.presence.view.of(["bob"])[0]
        return shown["status"], shown["state"], shown["text"]

    def ask(self) -> None:
        self.known: Shown = self.truth

    def connect(self, device: str) -> None:
        if device in self.connections:
            return
        self.numbers += 1
        self.connections[device] = f"{device} {self.numbers}"
        change = self.presence.connected(self.connections[device], "bob")
        self._announce(change, online=True)

    def disconnect(self, device: str) -> None:
        if device not in self.connections:
            return
        change = self.presence.disconnected(self.connections.pop(device), "bob")
        self._announce(change, online=False)

    def _announce(self, change: Change, *, online: bool) -> None:
        if change.status_changed:
            self.presence.notifier.changed("bob", online=online, version=change.version)
        else:
            self.run()  # The user's devices are looked at again.

    def flap(self, times: int) -> None:
        """Come and go so often that further changes are delayed."""
        for _ in range(times):
            self.disconnect("c1")
            self.connect("c1")
        self.run()

    def set(self, state: str, text: str | None = None) -> None:
        self.presence.set_state("bob", set_presence(state, text))

    def set_idle(self, device: str, *, idle: bool) -> None:
        if device in self.connections:
            caller = SimpleNamespace(id=self.connections[device], user_id="bob")
            self.presence.set_idle(cast("Caller", caller), idle=idle)

    def run(self) -> None:
        """Do what waits its turn."""
        while self.tasks:
            self.tasks.pop(0)()

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self.run()
        for _ in range(round(seconds / TICK)):
            self.clock.now += TICK
            for timer in self.timers:
                deadline = timer.next_deadline()
                if deadline is not None and deadline <= self.clock.now:
                    assert list(timer.expire()) == []
            self.run()

    # What the feature finds around it.

    def emit(self, emit: Emit) -> bool:
        subject, version = emit.order or ("", 0)
        if self.versions.get(subject, -1) < version:
            self.versions[subject] = version
            if emit.rooms is None or "user:ann" in emit.rooms:
                self._hear(emit.event, emit.args[0])
        return True

    def _hear(self, event: str, payload: Any) -> None:
        status = payload["status"]
        self.heard.append(status)
        if event == "presence:changed":
            self.known = status, payload["state"], payload["text"]
        elif self.known[0] != status:
            self.known = status, status, None

    def lock(self) -> AbstractContextManager[Any]:
        return threading.Lock()

    def record(self, _kind: str, *, ttl: float) -> MemoryRecord:
        return MemoryRecord(ttl, clock=self.clock)

    def timer(self, next_deadline: Callable[[], float | None], expire: Callable[[], Iterable[Emit]], *_clock: object) -> Timer:
        self.timers.append(Timer(next_deadline, expire))
        return self.timers[-1]

    def new_mailbox(self) -> World:
        return self

    def post(self, task: Task) -> None:
        self.tasks.append(task)

    def start(self, function: Callable[..., None], *args: object) -> None:
        self.tasks.append(partial(function, *args))

    def state_of(self, _feature: object) -> Any:
        return SimpleNamespace(silence=lambda _user_id: [])

    def functions(self, hook: Hook) -> list[Any]:
        return self.hooks.get(hook, [])

    def is_registered(self, hook: Hook) -> bool:
        return hook in self.hooks

    def in_app_context(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    def announce_with(self, function: Callable[[], None]) -> None:
        function()

    def announce(self, *_args: object) -> None:
        """Call no hook."""

    def elsewhere(self, *_args: object) -> None:
        """Tell no other server."""

    def before_stop(self, _finish: object) -> None:
        """Never stop."""


@pytest.fixture
def world() -> World:
    """A world in which bob has come and gone so often that his changes are delayed, and ann knows that he is online."""
    world = World()
    world.connect("c1")
    world.flap(4)
    world.advance(LATEST)
    world.flap(1)
    world.ask()
    assert world.known == ("online", "online", None)
    return world


def test_whoever_asked_while_somebody_was_away_for_a_moment_hears_that_they_are_back(world: World) -> None:
    world.disconnect("c1")
    world.ask()
    world.connect("c1")
    world.advance(LATEST)
    assert world.known == ("online", "online", None)


def test_whoever_asked_while_somebody_was_invisible_for_a_moment_hears_that_they_are_back(world: World) -> None:
    world.set("invisible")
    world.run()
    world.ask()
    world.set("online")
    world.advance(LATEST)
    assert world.known == ("online", "online", None)


def test_a_state_that_ended_while_nobody_was_told_of_the_absence_is_over_for_all(world: World) -> None:
    world.set("busy", "In a meeting")
    world.advance(0)
    assert world.known[1:] == ("busy", "In a meeting")
    world.set("invisible")
    world.set("online")
    world.advance(LATEST)
    assert world.known == ("online", "online", None)


def test_whoever_becomes_invisible_before_all_know_that_they_are_online_is_offline_for_all() -> None:
    world = World()
    for _ in range(3):
        world.connect("c1")
        world.disconnect("c1")
    world.connect("c1")
    world.set("busy")
    world.run()
    assert world.known[0] == "online"
    world.set("invisible")
    world.advance(LATEST)
    assert world.known == world.truth
    assert world.truth[0] == "offline"


def test_whoever_becomes_invisible_and_leaves_at_once_is_offline_for_all() -> None:
    world = World()
    world.connect("c1")
    assert world.known[0] == "online"
    world.set("invisible")
    world.disconnect("c1")
    world.advance(LATEST)
    assert world.known[0] == "offline"


def test_whoever_becomes_visible_while_their_departure_waits_is_offline_in_the_end() -> None:
    world = World(offline_delay=5.0)
    world.connect("c1")
    world.set("invisible")
    world.run()
    world.disconnect("c1")
    world.set("online")
    world.run()
    assert world.known[0] == "online"
    world.advance(5 + LATEST)
    assert world.known == world.truth
    assert world.known[0] == "offline"


def test_what_another_server_announces_of_a_user_who_became_visible_does_not_end_the_departure() -> None:
    world = World(offline_delay=5.0)
    world.connect("c1")
    world.disconnect("c1")
    world.presence.notifier.heard("bob", online=True, version=world.presence.next_version(), announced=True)
    assert world.known[0] == "online"
    world.advance(5 + LATEST)
    assert world.known == world.truth
    assert world.truth[0] == "offline"


def test_whoever_comes_to_a_server_that_does_not_know_yet_that_they_are_visible_is_online_in_the_end() -> None:
    world = World()
    world.set("invisible")
    world.set("online")
    world.run()
    # As if another server had made these changes.
    assert world.presence.visibility.note("bob", PresenceSettings("invisible", version=2**50))
    world.connect("c1")
    assert world.heard == []
    world.presence.heard_settings("bob", PresenceSettings(version=2**50 + 1).to_json())
    world.advance(LATEST)
    assert world.known == ("online", "online", None)


def test_a_state_that_was_delayed_tells_nobody_that_its_user_is_invisible_now(world: World) -> None:
    world.advance(60)
    for number in range(7):
        world.set("busy", str(number))
    world.run()
    world.set("invisible")
    world.run()
    world.heard.clear()
    world.advance(LATEST)
    assert world.heard == [], "it was told with the status alone"
    assert world.known[0] == "offline"


def test_whoever_is_back_before_their_departure_was_due_is_not_away_any_more() -> None:
    world = World(offline_delay=5.0)
    world.connect("c1")
    world.set_idle("c1", idle=True)
    world.run()
    assert world.known[1] == "away"
    world.disconnect("c1")
    world.connect("c1")
    world.advance(LATEST)
    assert world.known[1] == "online"
    world.heard.clear()
    world.disconnect("c1")
    world.connect("c1")
    world.advance(LATEST)
    assert world.heard == [], "of all others who are back at once nobody hears"


STEPS: dict[str, Callable[[World], object]] = {
    "connect": lambda world: world.connect("c1"),
    "disconnect": lambda world: world.disconnect("c1"),
    "second connects": lambda world: world.connect("c2"),
    "second disconnects": lambda world: world.disconnect("c2"),
    "comes and goes": lambda world: world.flap(3),
    "invisible": lambda world: world.set("invisible"),
    "visible": lambda world: world.set("online"),
    "busy": lambda world: world.set("busy", "In a meeting"),
    "idle": lambda world: world.set_idle("c1", idle=True),
    "active": lambda world: world.set_idle("c1", idle=False),
    "asks": lambda world: world.ask(),
    "turn": lambda world: world.run(),
    "moment": lambda world: world.advance(0.3),
    "while": lambda world: world.advance(4),
    "minute": lambda world: world.advance(61),
}


@settings(max_examples=300)
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=25), st.sampled_from([0.0, 2.0]), st.booleans())
def test_in_the_end_everybody_knows_the_present_state(steps: list[str], offline_delay: float, asks: bool) -> None:  # noqa: FBT001 - drawn
    world = World(offline_delay, asks=asks)
    for step in ["connect", "comes and goes", *steps]:
        STEPS[step](world)
    world.advance(offline_delay + LATEST)
    assert world.known == world.truth
