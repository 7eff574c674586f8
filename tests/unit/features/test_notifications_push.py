"""Web push: which subscriptions are taken, where messages may be sent, and what is sent."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import trustme

from flask_realtime.config import RealtimeConfig
from flask_realtime.errors import BadRequest, ConfigError
from flask_realtime.features.notifications.critical import CriticalNotification
from flask_realtime.features.notifications.events import MAX_PUSH_BYTES, push_payload
from flask_realtime.features.notifications.push_service import PushFailed, PushService, is_public
from flask_realtime.features.notifications.subscriptions import MAX_ENDPOINT_LENGTH, PushSubscription
from flask_realtime.features.notifications.webpush import SubscriptionGone, WebPush, new_push_key
from tests.push_service import CONTACT, PRIVATE_KEY, Browser, PushServer, base64, push_server

KEY, SECRET = base64(b"\x04" + b"k" * 64), base64(b"s" * 16)
PUBLIC = "https://push.example.org/send/1"


@pytest.fixture
def service() -> Iterator[PushServer]:
    with push_server() as running:
        yield running


def subscribed(browser: Browser) -> PushSubscription:
    return PushSubscription(browser.endpoint, **browser.keys)


def push_to(service: PushServer) -> WebPush:
    return WebPush(PRIVATE_KEY, CONTACT, PushService((service.url,)))


def notification(**changes: Any) -> CriticalNotification:
    values = {"title": "Fire", "message": "Leave the house", "link": "/alarms/7", "data": {"floor": 3}, **changes}
    moment = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    return CriticalNotification(job_id="9", attempt=1, id="7", user_id="ann", type="alarm", created_at=moment, **values)


# Subscriptions ----------------------------------------------------------------------------------------------------------------


def test_a_subscription_is_taken_as_the_browser_has_it() -> None:
    assert PushSubscription(PUBLIC, KEY, SECRET).endpoint == PUBLIC
    assert PushSubscription(PUBLIC, f"{KEY}=", f"{SECRET}==").auth == f"{SECRET}=="


@pytest.mark.parametrize(
    ("endpoint", "key", "secret", "field"),
    [
        ("", KEY, SECRET, "endpoint"),
        ("push.example.org", KEY, SECRET, "endpoint"),
        ("ftp://push.example.org/1", KEY, SECRET, "endpoint"),
        ("https://push.example.org/a b", KEY, SECRET, "endpoint"),
        ("https://push.example.org/1\r\nX-Evil: 1", KEY, SECRET, "endpoint"),
        ("https://push.example.org/ä", KEY, SECRET, "endpoint"),
        ("https://push.example.org/" + "x" * MAX_ENDPOINT_LENGTH, KEY, SECRET, "endpoint"),
        (7, KEY, SECRET, "endpoint"),
        (PUBLIC, "", SECRET, r"keys\.p256dh"),
        (PUBLIC, base64(b"\x04" + b"k" * 63), SECRET, r"keys\.p256dh"),
        (PUBLIC, base64(b"\x03" + b"k" * 64), SECRET, r"keys\.p256dh"),
        (PUBLIC, "ä" * 87, SECRET, r"keys\.p256dh"),
        (PUBLIC, None, SECRET, r"keys\.p256dh"),
        (PUBLIC, KEY, base64(b"s" * 15), r"keys\.auth"),
        (PUBLIC, KEY, "s" * 10_000, r"keys\.auth"),
    ],
)
def test_what_is_no_subscription_is_refused_and_the_error_names_the_field(endpoint: Any, key: Any, secret: Any, field: str) -> None:
    with pytest.raises(BadRequest, match=f"^{field}: expected"):
        PushSubscription(endpoint, key, secret)


# Addresses --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "224.0.0.1"),
        *("255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:0808:0808::1", "2001:0:1::1"),
    ],
)
def test_an_address_that_is_not_public_is_none_in_any_spelling(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "142.250.1.1", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "endpoint",
    [
        *("http://push.example.org/1", "https://127.0.0.1/1", "https://[::1]/1", "https://[::ffff:10.0.0.1]:8443/1"),
        *("https://", "https://ann@push.example.org/1", "https://push.example.org:99999/1", "https://[::1/1", "file:///etc/passwd"),
    ],
)
def test_an_endpoint_that_cannot_be_a_public_one_is_refused_at_once(endpoint: str) -> None:
    with pytest.raises(BadRequest, match="endpoint: expected the HTTPS URL of a push service"):
        PushService(None).check(endpoint)


def test_any_public_service_may_be_used_unless_some_are_listed() -> None:
    PushService(None).check(PUBLIC)
    listed = PushService(("https://push.example.org", "http://127.0.0.1:8000"))
    listed.check(PUBLIC)
    listed.check("http://127.0.0.1:8000/x")
    for other in ("https://other.example.org/1", "https://push.example.org:8443/1", "http://127.0.0.1:8001/x"):
        with pytest.raises(BadRequest):
            listed.check(other)


def test_a_name_that_points_to_a_private_address_is_not_connected_to() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(0.0)
        port = listener.getsockname()[1]
        with pytest.raises(PushFailed, match="its name points to an address that is not public"):
            PushService(None).post(f"https://localhost:{port}/1", {}, b"")
        with pytest.raises(BlockingIOError):
            listener.accept()


# Requests ---------------------------------------------------------------------------------------------------------------------


def test_a_message_is_encrypted_for_its_browser_and_signed(service: PushServer) -> None:
    browser = Browser(service, "phone")
    push = push_to(service)
    push.send(subscribed(browser), b'{"a": 1}', "topic-1")
    (received,) = service.received
    assert browser.messages == [{"a": 1}]
    assert b'"a"' not in received.body
    claims = service.claims(received, push.public_key)
    assert claims["sub"] == CONTACT
    assert 0 < claims["exp"] - time.time() <= 24 * 3600
    assert (received.headers["TTL"], received.headers["Urgency"], received.headers["Topic"]) == ("86400", "high", "topic-1")


def test_the_path_and_the_query_are_those_of_the_endpoint(service: PushServer) -> None:
    posts = PushService((service.url,))
    assert posts.post(f"{service.url}/a/b?c=d#e", {}, b"") == 201
    assert posts.post(service.url, {}, b"") == 201
    assert [received.path for received in service.received] == ["/a/b?c=d", "/"]


@pytest.mark.parametrize("status", [404, 410])
def test_a_subscription_that_the_service_does_not_know_is_gone(service: PushServer, status: int) -> None:
    browser = Browser(service, "phone")
    browser.answers(status)
    with pytest.raises(SubscriptionGone):
        push_to(service).send(subscribed(browser), b"{}", "t")


@pytest.mark.parametrize("status", [301, 307, 400, 403, 413, 429, 500, 503])
def test_any_other_answer_is_a_failure_and_a_redirect_is_not_followed(service: PushServer, status: int) -> None:
    browser = Browser(service, "phone")
    browser.answers(status)
    with pytest.raises(PushFailed, match=f"answered {status}"):
        push_to(service).send(subscribed(browser), b"{}", "t")
    assert len(service.received) == 1


def test_a_service_that_is_not_there_is_a_failure() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(PushFailed, match=r"127\.0\.0\.1 cannot be used"):
        PushService((url,)).post(url, {}, b"")


@contextmanager
def answering(*parts: bytes) -> Iterator[str]:
    """A server that answers with these bytes, the last ones again and again, and never ends an answer."""
    ended = Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with closing(peer):
                peer.recv(65_536)
                for part in parts:
                    peer.sendall(part)
                while parts and not ended.wait(0.02):
                    try:
                        peer.sendall(parts[-1])
                    except OSError:
                        return
                ended.wait()

        thread = Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize("parts", [(), (b"H",), (b"HTTP/1.1 1", b"1")])
def test_a_service_that_never_finishes_its_answer_has_a_bounded_time(parts: tuple[bytes, ...]) -> None:
    with answering(*parts) as url, pytest.raises(PushFailed, match=r"(in time|timed out|in HTTP)"):
        PushService((url,), timeout=0.3).post(url, {}, b"")


@pytest.mark.parametrize("line", [b"SSH-2.0-x\r\n", b"HTTP/1.1 x\r\n", b"x" * 600])
def test_what_answers_in_another_language_is_a_failure(line: bytes) -> None:
    with answering(line) as url, pytest.raises(PushFailed, match="did not answer in HTTP"):
        PushService((url,)).post(url, {}, b"")


def test_nothing_but_the_status_is_read_of_an_answer() -> None:
    with answering(b"HTTP/1.1 201 Created\r\n", b"x" * 65_536) as url:
        assert PushService((url,)).post(url, {}, b"") == 201


def test_the_certificate_of_a_service_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with push_server(context) as service:
        browser = Browser(service, "phone")
        with pytest.raises(PushFailed, match="certificate verify failed"):
            push_to(service).send(subscribed(browser), b"{}", "t")
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        push_to(service).send(subscribed(browser), b"{}", "t")
        assert browser.messages == [{}]


# Payloads and keys ------------------------------------------------------------------------------------------------------------


def test_a_service_worker_gets_the_notification() -> None:
    assert json.loads(push_payload(notification())) == {
        "jobId": "9",
        "id": "7",
        "type": "alarm",
        "title": "Fire",
        "message": "Leave the house",
        "link": "/alarms/7",
        "data": {"floor": 3},
        "createdAt": "2026-01-31T12:00:00.000Z",
    }


@pytest.mark.parametrize("character", ["x", "ä", "火", "🔥", '"', "\n", "\x01", "\ud800"])
def test_a_long_notification_loses_the_end_of_its_text_and_fits(character: str) -> None:
    encoded = push_payload(notification(message=character * 4000, title="🔥" * 200, link="/" + "x" * 2000))
    sent = json.loads(encoded)
    assert 0.6 * MAX_PUSH_BYTES < len(encoded) <= MAX_PUSH_BYTES
    assert sent["message"].endswith("…")
    assert len(sent["message"]) > 100
    assert (sent["title"], sent["link"], sent["data"]) == ("🔥" * 200, None, None)


def test_data_is_left_out_before_the_link_and_the_link_before_any_text() -> None:
    without_data = json.loads(push_payload(notification(data="x" * 4000)))
    assert (without_data["data"], without_data["link"]) == (None, "/alarms/7")
    without_link = json.loads(push_payload(notification(message="x" * 2000, link="/" + "x" * 2000)))
    assert (without_link["link"], without_link["message"]) == (None, "x" * 2000)


def test_each_new_key_works_and_browsers_get_the_public_half(service: PushServer) -> None:
    push = WebPush(new_push_key(), CONTACT, PushService((service.url,)))
    assert len(push.public_key) == 87
    assert push.public_key != WebPush(PRIVATE_KEY, CONTACT, PushService(None)).public_key
    browser = Browser(service, "phone")
    push.send(subscribed(browser), b"{}", "t")
    assert service.claims(service.received[0], push.public_key)["aud"] == service.url


@pytest.mark.parametrize("key", ["", "short", PRIVATE_KEY + "x", "/" * 43, 7, "-----BEGIN EC PRIVATE KEY-----"])
def test_a_key_that_is_none_is_refused_and_not_repeated(key: Any) -> None:
    with pytest.raises(ConfigError, match="flask realtime push-key") as refused:
        RealtimeConfig.from_mapping({"REALTIME_PUSH_PRIVATE_KEY": key})
    assert not key or str(key) not in str(refused.value)
