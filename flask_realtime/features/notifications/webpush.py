"""Web push: messages that are encrypted for one browser, and signed with the application's VAPID key.

pywebpush and py_vapid do both; they come with the extra `push`, and are imported at first use.
"""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

from flask_realtime.errors import ConfigError
from flask_realtime.features.notifications.push_service import PushFailed, PushService, origin_of
from flask_realtime.features.notifications.subscriptions import PushSubscription

_KEPT: Final = 86_400
"""Seconds for which a push service keeps a message for a browser that it cannot reach."""

_TOKEN_LIFETIME: Final = 43_200
_COORDINATE_BYTES: Final = 32
_GONE: Final = frozenset({404, 410})
_ACCEPTED: Final = range(200, 300)


class SubscriptionGone(Exception):
    """The push service does not know the subscription any more: the user has ended it, or it has expired."""


class WebPush:
    """Sends messages to browsers through their push services.

    Args:
        private_key: The VAPID private key, in URL-safe base64.
        contact: The operator's address for push services.
        service: Posts the messages.

    Raises:
        ConfigError: pywebpush is not installed.
    """

    def __init__(self, private_key: str, contact: str, service: PushService) -> None:
        _require()
        self._private_key = private_key
        self._contact = contact
        self._service = service

    @property
    def public_key(self) -> str:
        """The public key of the VAPID key, with which browsers subscribe."""
        numbers = _vapid(self._private_key).public_key.public_numbers()
        point = b"\x04" + b"".join(number.to_bytes(_COORDINATE_BYTES, "big") for number in (numbers.x, numbers.y))
        return _base64(point)

    def check(self, subscription: PushSubscription) -> None:
        """Check that messages may be sent to a subscription's push service.

        Raises:
            BadRequest: They may not.
        """
        self._service.check(subscription.endpoint)

    def send(self, subscription: PushSubscription, payload: bytes, topic: str) -> None:
        """Send a message.

        Args:
            subscription: The browser's subscription.
            payload: The message.
            topic: Its subject: a message replaces an earlier one of the same subject that the browser has not got yet.

        Raises:
            SubscriptionGone: The push service does not know the subscription any more.
            PushFailed: It could not be reached, or refused the message.
        """
        headers = {
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(_KEPT),
            "Urgency": "high",
            "Topic": topic,
            **self._signature(subscription.endpoint),
        }
        status = self._service.post(subscription.endpoint, headers, _encrypted(subscription, payload))
        if status in _GONE:
            raise SubscriptionGone
        if status not in _ACCEPTED:
            msg = f"the push service {urlsplit(subscription.endpoint).hostname} answered {status}"
            raise PushFailed(msg)

    def _signature(self, endpoint: str) -> dict[str, str]:
        claims = {"aud": origin_of(urlsplit(endpoint)), "exp": int(time.time()) + _TOKEN_LIFETIME, "sub": self._contact}
        signed: dict[str, str] = _vapid(self._private_key).sign(claims)
        return signed


def new_push_key() -> str:
    """Make a VAPID private key, for `REALTIME_PUSH_PRIVATE_KEY`.

    Raises:
        ConfigError: pywebpush is not installed.
    """
    _require()
    from py_vapid import Vapid02  # noqa: PLC0415 - an extra

    vapid: Any = Vapid02()
    vapid.generate_keys()
    number: int = vapid.private_key.private_numbers().private_value
    return _base64(number.to_bytes(_COORDINATE_BYTES, "big"))


def _require() -> None:
    if find_spec("pywebpush") is None:
        msg = "Web push needs pywebpush: pip install 'flask-realtime[push]'"
        raise ConfigError(msg)


def _vapid(private_key: str) -> Any:
    from py_vapid import Vapid02  # noqa: PLC0415 - an extra

    return Vapid02.from_string(private_key)


def _encrypted(subscription: PushSubscription, payload: bytes) -> bytes:
    from pywebpush import WebPusher  # noqa: PLC0415 - an extra

    keys = {"p256dh": subscription.p256dh, "auth": subscription.auth}
    encoded: bytes = WebPusher({"endpoint": subscription.endpoint, "keys": keys}).encode(payload)["body"]
    return encoded


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
