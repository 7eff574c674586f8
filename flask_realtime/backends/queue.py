"""From a message queue's URL to what servers share through it."""

from __future__ import annotations

from flask_realtime.backends.shared import Shared
from flask_realtime.errors import ConfigError


def connect(url: str, *, channel: str, retention: float, lease: float = 10.0) -> Shared:
    """Return what servers share through a message queue; nothing is connected before it is used.

    Args:
        url: The queue's URL.
        channel: What the names of everything in the queue begin with.
        retention: Seconds for which an event is kept for a server that has lost its link.
        lease: Seconds after which a server that gives no sign of life is taken for dead.

    Raises:
        ConfigError: The URL is none of a Redis server, or redis-py is not installed.
    """
    try:
        # Only where it is used: redis-py is an extra.
        from flask_realtime.backends.redis.shared import RedisShared  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
        msg = "A message queue needs redis-py: pip install 'flask-realtime[redis]'"
        raise ConfigError(msg) from None
    return RedisShared(url, channel=channel, retention=retention, lease=lease)
