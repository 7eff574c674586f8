"""Password hashing, slow on purpose, without blocking other connections."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from gevent import get_hub, monkey
from werkzeug.security import check_password_hash, generate_password_hash


def hash_password(password: str) -> str:
    """Return the hash to store for a password."""
    return str(_beside_the_event_loop(generate_password_hash, password))


def is_password(password: str, password_hash: str | None) -> bool:
    """Return whether a password matches a hash.

    Args:
        password: The password as typed.
        password_hash: The stored hash, or None for an unknown user; that takes as long, so that the time taken
            does not reveal which names exist.
    """
    matches = _beside_the_event_loop(check_password_hash, password_hash or _hash_of_nobody(), password)
    return bool(matches) and password_hash is not None


@cache
def _hash_of_nobody() -> str:
    return generate_password_hash("")


def _beside_the_event_loop(function: Callable[..., Any], *args: str) -> Any:
    """Call a function in a thread of its own under gevent, where all connections share one."""
    if monkey.is_module_patched("threading"):
        return get_hub().threadpool.apply(function, args)
    return function(*args)
