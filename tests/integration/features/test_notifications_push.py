"""Web push as a channel of critical notifications, against a push service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask_realtime import CriticalNotification, Realtime
from flask_realtime.errors import BadRequest, ConfigError, NotFound
from flask_realtime.features.notifications.subscriptions import MAX_SUBSCRIPTIONS
from flask_realtime.store import Models, PushSubscription, Store
from tests.integration.example_support import on_sqlite
from tests.integration.features.critical_support import CriticalApp, critical_app
from tests.push_service import CONTACT, PRIVATE_KEY, Browser, PushServer, push_server


@pytest.fixture
def service() -> Iterator[PushServer]:
    with push_server() as running:
        yield running


@pytest.fixture
def chat(database_url: str, service: PushServer) -> Iterator[CriticalApp]:
    with critical_app(database_url, "email", **settings(service)) as made:
        yield made


def settings(service: PushServer) -> dict[str, Any]:
    return {
        "REALTIME_PUSH_PRIVATE_KEY": PRIVATE_KEY,
        "REALTIME_PUSH_CONTACT": CONTACT,
        "REALTIME_PUSH_SERVICES": service.url,
    }


def subscribe(chat: CriticalApp, browser: Browser, user_id: str = "ann") -> None:
    with chat.app.app_context():
        chat.store.push.subscribe(user_id, PushSubscription(browser.endpoint, **browser.keys))


def endpoints(chat: CriticalApp, user_id: str = "ann") -> list[str]:
    with chat.app.app_context():
        return [stored.subscription.endpoint for stored in chat.store.push.of_user(user_id)]


def test_all_browsers_of_the_user_get_it_after_the_other_channels(chat: CriticalApp, service: PushServer) -> None:
    phone, laptop, other = (Browser(service, name) for name in ("phone", "laptop", "other"))
    for browser in (phone, laptop):
        subscribe(chat, browser)
    subscribe(chat, other, "ben")
    before: list[int] = []
    chat.broken["email"] = lambda _notification: before.append(len(service.received))
    added = chat.add()
    (job,) = chat.pending()
    assert chat.run() == 1
    assert before == [0]
    (message,) = phone.messages
    assert (message["id"], message["jobId"], message["title"]) == (added.id, job.id, "Fire")
    assert laptop.messages == phone.messages
    assert phone.requests[0].headers["Topic"] == f"notification-{added.id}"
    assert (other.requests, chat.pending()) == ([], [])


@pytest.mark.parametrize("status", [404, 410])
def test_a_subscription_that_is_gone_is_deleted_and_the_others_stay(chat: CriticalApp, service: PushServer, status: int) -> None:
    gone, phone = Browser(service, "gone"), Browser(service, "phone")
    for browser in (gone, phone):
        subscribe(chat, browser)
    gone.answers(status)
    for _ in range(2):
        chat.add()
    chat.run()
    assert endpoints(chat) == [phone.endpoint]
    assert (len(gone.requests), len(phone.messages)) == (1, 2)
    assert (chat.pending(), chat.dead()) == ([], [])


def test_a_browser_whose_service_fails_is_tried_again_alone(chat: CriticalApp, service: PushServer) -> None:
    phone, laptop = Browser(service, "phone"), Browser(service, "laptop")
    for browser in (phone, laptop):
        subscribe(chat, browser)
    phone.answers(503, 201)
    chat.add()
    chat.run()
    (job,) = chat.pending()
    assert job.last_error == "webpush 1: PushFailed: the push service 127.0.0.1 answered 503"
    assert chat.errors == [], "it is no failure of the application"
    chat.make_due()
    chat.run()
    assert (len(phone.requests), len(laptop.requests), chat.names(), chat.pending()) == (2, 1, ["email"], [])


def test_an_endpoint_belongs_to_the_user_who_subscribed_there_last(chat: CriticalApp, service: PushServer) -> None:
    shared = Browser(service, "shared")
    subscribe(chat, shared, "ben")
    subscribe(chat, shared)
    subscribe(chat, shared)
    assert (endpoints(chat, "ben"), endpoints(chat)) == ([], [shared.endpoint])


def test_a_user_has_so_many_subscriptions_and_the_oldest_go(chat: CriticalApp, service: PushServer) -> None:
    browsers = [Browser(service, str(number)) for number in range(MAX_SUBSCRIPTIONS + 2)]
    for browser in browsers[:MAX_SUBSCRIPTIONS]:
        subscribe(chat, browser)
    subscribe(chat, browsers[0])
    for browser in browsers[MAX_SUBSCRIPTIONS:]:
        subscribe(chat, browser)
    kept = [browsers[0], *browsers[3:]]
    assert sorted(endpoints(chat)) == sorted(browser.endpoint for browser in kept)


def test_a_subscription_is_deleted_by_its_user_alone(chat: CriticalApp, service: PushServer) -> None:
    phone = Browser(service, "phone")
    subscribe(chat, phone)
    with chat.app.app_context():
        assert not chat.store.push.unsubscribe("ben", phone.endpoint)
        assert chat.store.push.unsubscribe("ann", phone.endpoint)
        assert not chat.store.push.unsubscribe("ann", phone.endpoint)
    assert endpoints(chat) == []


def test_a_service_that_may_not_be_used_is_refused(chat: CriticalApp, service: PushServer) -> None:
    keys = Browser(service, "phone").keys
    with chat.app.app_context(), pytest.raises(BadRequest, match=r"^endpoint: "):
        chat.store.push.subscribe("ann", PushSubscription("https://push.example.org/1", **keys))
    assert endpoints(chat) == []


@on_sqlite
def test_private_addresses_are_refused_unless_they_are_listed(database_url: str, service: PushServer) -> None:
    public = {key: value for key, value in settings(service).items() if key != "REALTIME_PUSH_SERVICES"}
    keys = Browser(service, "phone").keys
    with critical_app(database_url, **public) as chat, chat.app.app_context():
        for endpoint in (f"{service.url}/1", service.url.replace("http:", "https:")):
            with pytest.raises(BadRequest):
                chat.store.push.subscribe("ann", PushSubscription(endpoint, **keys))
        chat.store.push.subscribe("ann", PushSubscription("https://localhost/1", **keys))
        chat.add()
        chat.run()
        (job,) = chat.pending()
        expected = "the push service localhost cannot be used: its name points to an address that is not public"
        assert job.last_error == f"webpush 1: PushFailed: {expected}"


def test_browsers_subscribe_with_the_public_key(chat: CriticalApp) -> None:
    with chat.app.app_context():
        key = chat.store.push.public_key()
    assert key is not None
    assert len(key) == 87


@on_sqlite
def test_without_a_key_there_is_no_web_push(database_url: str, service: PushServer) -> None:
    phone = Browser(service, "phone")
    with critical_app(database_url) as chat:
        with chat.app.app_context():
            assert chat.store.push.public_key() is None
            with pytest.raises(NotFound, match="Web push is not set up"):
                chat.store.push.subscribe("ann", PushSubscription(phone.endpoint, **phone.keys))
        chat.add()
        chat.run()
    assert phone.requests == []


@on_sqlite
def test_a_store_without_the_table_has_no_web_push(database_url: str, service: PushServer) -> None:
    phone = Browser(service, "phone")
    with critical_app(database_url, **settings(service)) as chat, chat.app.app_context():
        models = chat.store.models
        without = Models(models.conversation, models.participant, models.message, models.read_receipt, models.notification)
        store = Store(chat.db, without)
        with pytest.raises(ConfigError, match=r"needs store\.register\(realtime\)"):
            store.push.public_key()
        store.register(Realtime())
        assert store.push.of_user("ann") == []
        assert not store.push.unsubscribe("ann", phone.endpoint)
        store.push.forget("1")


@on_sqlite
def test_a_key_without_a_contact_is_an_error(database_url: str) -> None:
    with (
        pytest.raises(ConfigError, match="needs REALTIME_PUSH_CONTACT"),
        critical_app(database_url, REALTIME_PUSH_PRIVATE_KEY=PRIVATE_KEY),
    ):
        pass


def test_what_is_read_meanwhile_is_not_pushed(chat: CriticalApp, service: PushServer) -> None:
    added = chat.add()
    phone = Browser(service, "phone")
    subscribe(chat, phone)

    def confirm(_notification: CriticalNotification) -> None:
        chat.store.notifications.mark_read("ann", added.id)

    chat.broken["email"] = confirm
    chat.run()
    assert (phone.requests, chat.pending()) == ([], [])
