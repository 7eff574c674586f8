"""Settings of the administration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class AdminSettings(NamedTuple):
    """The log-in, and what it allows.

    Args:
        username: The administrator's name.
        password_hash: The password, as werkzeug's `generate_password_hash` writes it.
        is_development: Whether connections, rooms and events are shown, rather than numbers alone.
        is_read_only: Whether every action is refused.
    """

    username: str
    password_hash: str
    is_development: bool
    is_read_only: bool


def read_settings(config: Mapping[str, Any] | None) -> AdminSettings | None:
    """Return the settings of `REALTIME_ADMIN`, which is valid; None if it is not set."""
    if config is None:
        return None
    is_development, is_read_only = config.get("mode") == "development", bool(config.get("read_only"))
    return AdminSettings(config["username"], config["password"], is_development, is_read_only)
