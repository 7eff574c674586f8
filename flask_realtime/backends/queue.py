"""Choice of the back end for a message queue's URL."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

from flask_realtime.backends.backend import Backend
from flask_realtime.backends.recovery import RecoveryOptions
from flask_realtime.errors import ConfigError


def connect(  # noqa: PLR0913 - settings
    url: str,
    *,
    channel: str,
    retention: float,
    lease: float = 10.0,
    recovery: RecoveryOptions | None = None,
    direct_links: bool = False,
    offline_delay: float = 0.0,
) -> Backend:
    """Return the back end for a message queue; it connects on first use.

    Args:
        url: The queue's URL: of a Redis server, or for events alone `amqp://`, `amqps://` or `kafka://`.
        channel: The prefix of all names in the queue.
        retention: Seconds for which an event is kept for a server that has lost its link.
        lease: Seconds before a silent server is considered dead.
        recovery: The settings of recovery on any server; None if there is none.
        direct_links: Whether the servers of one machine pass events to each other directly, over Redis alone.
        offline_delay: Seconds for which users who go offline are waited for, before others are told.

    Raises:
        ConfigError: The URL is not one of these, or the package for it is not installed.
    """
    scheme = urlsplit(url).scheme
    if scheme in {"amqp", "amqps"}:
        return _over_amqp(url, channel, retention)
    if scheme == "kafka":
        return _over_kafka(url, channel, retention)
    try:
        # Imported here because redis-py is an extra.
        from flask_realtime.backends.redis.backend import RedisBackend  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
        msg = "A message queue needs redis-py: pip install 'flask-realtime[redis]'"
        raise ConfigError(msg) from None
    return RedisBackend(
        url,
        channel=channel,
        retention=retention,
        lease=lease,
        recovery=recovery,
        direct_links=direct_links,
        offline_delay=offline_delay,
    )


def _over_amqp(url: str, channel: str, retention: float) -> Backend:
    # As above: its packages are extras.
    from flask_realtime.backends.broker import amqp, backend  # noqa: PLC0415

    amqp.require()
    return backend.BrokerBackend(partial(amqp.AmqpCarrier, url, channel), retention=retention)


def _over_kafka(url: str, channel: str, retention: float) -> Backend:
    from flask_realtime.backends.broker import backend, kafka  # noqa: PLC0415 - as above

    kafka.require()
    return backend.BrokerBackend(partial(kafka.KafkaCarrier, url, channel), retention=retention)
