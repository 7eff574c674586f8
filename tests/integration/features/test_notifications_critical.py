"""Critical notifications: what confirms them, and what becomes of those that nothing confirms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_realtime import CriticalNotification, Realtime
from flask_realtime.errors import ConfigError, RegistrationError
from flask_realtime.jobs.host import job_host_of
from flask_realtime.store import Models, NotificationRecord, Store
from tests.integration.conftest import Connect
from tests.integration.example_support import on_sqlite
from tests.integration.features.critical_support import CriticalApp, critical_app

OK = {"ok": True}
CHANNELS = ("email", "sms")


def fail(_notification: CriticalNotification) -> None:
    msg = "no route to host"
    raise OSError(msg)


@pytest.fixture
def chat(database_url: str) -> Iterator[CriticalApp]:
    with critical_app(database_url, *CHANNELS) as made:
        yield made


def test_one_that_nobody_confirms_goes_to_each_channel_in_order(chat: CriticalApp) -> None:
    added = chat.add()
    (job,) = chat.pending()
    assert chat.run() == 1
    expected = CriticalNotification(
        job_id=job.id,
        attempt=1,
        id=added.id,
        user_id="ann",
        type="alarm",
        title="Fire",
        message="Leave the house",
        link=None,
        data=None,
        created_at=added.created_at,
    )
    assert chat.heard == [(name, expected) for name in CHANNELS]
    assert (chat.pending(), chat.dead(), chat.run()) == ([], [], 0)


def test_others_go_to_no_channel(chat: CriticalApp) -> None:
    chat.add(critical=False)
    assert (chat.pending(), chat.run(), chat.heard) == ([], 0, [])


@on_sqlite
def test_it_has_the_time_of_the_setting_to_be_confirmed_and_a_day_to_succeed(database_url: str) -> None:
    with critical_app(database_url, *CHANNELS, REALTIME_CRITICAL_TIMEOUT=30) as chat:
        added = chat.add()
        (job,) = chat.pending()
        assert (job.due_at - added.created_at).total_seconds() == pytest.approx(30, abs=1)
        assert (job.expires_at - job.due_at).total_seconds() == 86_400
        assert (chat.run(), chat.heard) == (0, [])


@pytest.mark.parametrize(
    "confirm",
    [
        lambda client, added: client.call("notification:delivered", int(added.id)),
        lambda client, added: client.call("notification:read", added.id),
        lambda client, _added: client.call("notifications:read-all"),
    ],
)
def test_what_a_device_has_got_or_read_goes_to_no_channel(
    chat: CriticalApp, connect: Connect, confirm: Callable[[Any, NotificationRecord], Any]
) -> None:
    other = chat.add(user_id="ben")
    added = chat.add()
    with connect(chat.app, "ann") as ann:
        assert confirm(ann, added) == OK
    assert [job.key for job in chat.pending()] == [other.id]
    chat.run()
    assert [notification.id for _, notification in chat.heard] == [other.id] * 2


def test_nobody_confirms_for_others_and_what_is_not_there_is_no_error(chat: CriticalApp, connect: Connect) -> None:
    added = chat.add()
    with connect(chat.app, "ben") as ben:
        for notification_id in (added.id, "999", "x", 0):
            assert ben.call("notification:delivered", notification_id) == OK
        assert ben.call("notification:delivered")["error"]["code"] == "bad_request"
        assert ben.call("notification:delivered", "")["error"]["code"] == "bad_request"
    assert [job.key for job in chat.pending()] == [added.id]


def test_a_confirmation_tells_nobody(chat: CriticalApp, connect: Connect) -> None:
    added = chat.add()
    with connect(chat.app, "ann") as phone, connect(chat.app, "ann") as laptop:
        phone.call("notification:delivered", added.id)
        laptop.call("user:get-status", "ann")
        assert [item for item in laptop.received if item.event.startswith("notification")] == []


def test_a_confirmation_between_two_channels_keeps_it_from_the_second(chat: CriticalApp) -> None:
    added = chat.add()

    def confirm(_notification: CriticalNotification) -> None:
        chat.store.notifications.mark_delivered("ann", added.id)

    chat.broken["email"] = confirm
    chat.run()
    assert (chat.names(), chat.pending()) == (["email"], [])


def test_a_channel_that_fails_is_tried_again_alone_and_told_the_same_job(chat: CriticalApp) -> None:
    chat.add()
    chat.broken["email"] = fail
    chat.run()
    assert chat.names() == ["email", "sms"]
    assert [type(error) for error in chat.errors] == [OSError]
    (job,) = chat.pending()
    assert job.last_error == "email: OSError: no route to host"
    assert 2.5 <= (job.due_at - job.created_at).total_seconds() < 60
    assert chat.run() == 0, "not before its time"
    del chat.broken["email"]
    chat.make_due()
    assert chat.run() == 1
    assert chat.names() == ["email", "sms", "email"]
    assert [notification.attempt for _, notification in chat.heard] == [1, 1, 2]
    assert {notification.job_id for _, notification in chat.heard} == {job.id}
    assert chat.pending() == []


@on_sqlite
def test_one_that_fails_for_too_long_is_a_dead_letter_until_it_is_requeued_or_read(database_url: str) -> None:
    with critical_app(database_url, *CHANNELS, REALTIME_CRITICAL_RETRY_TIME=1) as chat:
        chat.broken["email"] = fail
        for _ in range(2):
            chat.add()
        chat.run()
        first, second = chat.dead()
        assert (first.last_error, chat.pending()) == ("email: OSError: no route to host", [])
        with chat.app.app_context():
            assert chat.jobs.requeue([first.id], first.expires_at) == [first.id]
            chat.store.notifications.mark_read("ann", second.key)
        chat.broken.clear()
        chat.run()
        assert chat.names() == ["email", "sms"] * 2 + ["email"], "what is done is not done again"
        assert (chat.pending(), chat.dead()) == ([], [])


@on_sqlite
def test_a_notification_that_is_gone_goes_to_no_channel(database_url: str) -> None:
    with critical_app(database_url, *CHANNELS) as chat:
        added = chat.add()
        with chat.app.app_context():
            chat.db.session.delete(chat.db.session.get_one(chat.store.models.notification, int(added.id)))
            chat.db.session.commit()
        assert (chat.run(), chat.heard, chat.pending()) == (1, [], [])


@on_sqlite
def test_without_a_channel_the_log_says_so(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with critical_app(database_url) as chat:
        chat.add()
        chat.run()
        assert chat.pending() == []
    assert "no channel takes it" in caplog.text


@on_sqlite
def test_a_store_that_is_not_registered_or_has_no_jobs_takes_no_critical_one(database_url: str) -> None:
    with critical_app(database_url) as chat, chat.app.app_context():
        models = chat.store.models
        without = Models(models.conversation, models.participant, models.message, models.read_receipt, models.notification)
        for store in (Store(chat.db, models), Store(chat.db, without)):
            with pytest.raises(ConfigError, match=r"call store\.register\(realtime\)"):
                store.notifications.add("ann", "alarm", "Fire", "Leave", critical=True)
            assert store.notifications.add("ann", "alarm", "Fire", "Leave").id
        store.notifications.mark_delivered("ann", "1")
        assert store.notifications.mark_read("ann", "1")


def test_jobs_without_a_store_are_an_error_that_says_what_to_do(make_app: Any) -> None:
    app = make_app()
    Realtime(app)
    with pytest.raises(ConfigError, match=r"call store\.register\(realtime\)"):
        _ = job_host_of(app).runner


def test_each_channel_has_a_name_of_its_own() -> None:
    realtime = Realtime()

    @realtime.notification_channel("email")
    def email(_notification: CriticalNotification) -> None: ...

    with pytest.raises(RegistrationError, match=r"notification_channel\('email'\) is registered already"):
        realtime.notification_channel("email")(email)
    Realtime().notification_channel("email")(email)


@pytest.mark.parametrize("name", ["", "x" * 65, "webpush", "webpush 1", 7, None, fail])
def test_a_name_that_is_none_is_refused(name: Any) -> None:
    with pytest.raises(RegistrationError, match=r"write @realtime\.notification_channel\('email'\)"):
        Realtime().notification_channel(name)


def test_a_channel_must_take_a_notification() -> None:
    unfit: Any = lambda: None  # noqa: E731 - nothing else about it matters
    with pytest.raises(RegistrationError, match=r"notification_channel\('sms'\): .* cannot be called with \(notification\)"):
        Realtime().notification_channel("sms")(unfit)
    with pytest.raises(RegistrationError, match=r"write @realtime\.notification_channel\('email'\) above"):
        Realtime().notification_channel()  # type: ignore[call-arg]
