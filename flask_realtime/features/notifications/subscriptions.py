"""Subscriptions to web push, which come from clients: what is accepted of them."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Final

from flask_realtime.errors import BadRequest

MAX_ENDPOINT_LENGTH: Final = 1024
MAX_SUBSCRIPTIONS: Final = 10
"""Subscriptions of one user; each more takes the place of the oldest."""

_KEY_BYTES: Final = 65
_SECRET_BYTES: Final = 16
_UNCOMPRESSED: Final = 4


@dataclass(frozen=True)
class PushSubscription:
    """A browser's subscription, as its `PushSubscription.toJSON()` has it.

    Args:
        endpoint: The URL of the push service to which messages for this browser are sent.
        p256dh: The browser's public key, in URL-safe base64.
        auth: The browser's secret, in URL-safe base64.

    Raises:
        BadRequest: One of these cannot be that.
    """

    endpoint: str
    p256dh: str
    auth: str

    def __post_init__(self) -> None:
        if not _is_url(self.endpoint):
            msg = f"endpoint: expected an absolute URL of at most {MAX_ENDPOINT_LENGTH} ASCII characters"
            raise BadRequest(msg)
        key = _decoded(self.p256dh)
        if len(key) != _KEY_BYTES or key[0] != _UNCOMPRESSED:
            msg = f"keys.p256dh: expected an uncompressed point of P-256, {_KEY_BYTES} bytes in URL-safe base64"
            raise BadRequest(msg)
        if len(_decoded(self.auth)) != _SECRET_BYTES:
            msg = f"keys.auth: expected {_SECRET_BYTES} bytes in URL-safe base64"
            raise BadRequest(msg)


@dataclass(frozen=True)
class StoredSubscription:
    """A subscription with its id in the database."""

    id: str
    subscription: PushSubscription


def _is_url(text: object) -> bool:
    if not isinstance(text, str):
        return False
    is_plain = text.isascii() and text.isprintable() and not set(text) & set(' "<>\\^`{|}')
    return is_plain and len(text) <= MAX_ENDPOINT_LENGTH and text.startswith(("https://", "http://"))


def _decoded(text: object) -> bytes:
    if not isinstance(text, str) or len(text) > 2 * _KEY_BYTES:
        return b""
    try:
        return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except ValueError:
        return b""
