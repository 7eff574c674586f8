"""Detects a Redis that may evict keys in use."""

from __future__ import annotations

from typing import Any

from redis.exceptions import ResponseError

from flask_realtime.backends.redis.link import RedisLink

_SAFE = "noeviction"


def eviction_warnings(link: RedisLink) -> list[str]:
    """Return a line with the right setting if Redis may evict keys; nothing if it may not, or does not tell.

    Args:
        link: The link to Redis.

    Raises:
        BackendUnavailable: Redis cannot be reached.
    """
    try:
        memory = link.call(lambda client: client.info("memory"))
    except ResponseError:
        return []  # Hosted Redis often forbids CONFIG.
    return _warnings(memory)


def _warnings(memory: dict[str, Any]) -> list[str]:
    policy = str(memory.get("maxmemory_policy", _SAFE))
    if policy == _SAFE or not int(memory.get("maxmemory", 0)):
        return []
    return [f"Redis may evict what servers share: maxmemory-policy is {policy}. Set it to {_SAFE}, or use a Redis of its own."]
