"""Configuration: defaults, and errors at start that name the key."""

from typing import Any

import pytest

from flask_realtime.config import RealtimeConfig
from flask_realtime.errors import ConfigError


def test_the_defaults_work_and_other_keys_are_left_alone() -> None:
    assert RealtimeConfig.from_mapping({"SECRET_KEY": "x"}) == RealtimeConfig()


def test_a_value_is_taken_from_its_key() -> None:
    config = RealtimeConfig.from_mapping({"REALTIME_TYPING_TIMEOUT": 2, "REALTIME_TRANSPORTS": ["websocket"]})
    assert (config.typing_timeout, config.transports) == (2, ("websocket",))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("PATH", ""),
        ("PATH", "socket.io"),
        ("PATH", "/"),
        ("PATH", 7),
        ("TRANSPORTS", []),
        ("TRANSPORTS", ["carrier-pigeon"]),
        ("TRANSPORTS", None),
        ("CORS_ALLOWED_ORIGINS", 7),
        ("CORS_ALLOWED_ORIGINS", []),
        ("CORS_ALLOWED_ORIGINS", ["example.org"]),
        ("CORS_ALLOWED_ORIGINS", "https://example.org/"),
        ("CORS_ALLOWED_ORIGINS", ["*", "https://example.org"]),
        ("PING_INTERVAL", 0),
        ("PING_INTERVAL", "25"),
        ("PING_TIMEOUT", float("nan")),
        ("PING_TIMEOUT", True),
        ("TYPING_TIMEOUT", float("inf")),
        ("MAX_STATUS_IDS", 0),
        ("MAX_STATUS_IDS", 1.5),
        ("MAX_PAYLOAD_BYTES", -1),
        ("MAX_CONNECTIONS_PER_USER", None),
        ("MAX_PENDING_EVENTS", True),
        ("ASYNC_MODE", "eventlet"),
    ],
)
def test_a_bad_value_is_an_error_that_names_the_key_and_what_was_expected(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^REALTIME_{key} must be "):
        RealtimeConfig.from_mapping({f"REALTIME_{key}": value})


@pytest.mark.parametrize(
    "value", [None, "*", ["*"], "https://example.org", ["https://a.example", "http://b.example:8080"], lambda *_: True]
)
def test_origins_are_none_any_some_or_a_check(value: Any) -> None:
    RealtimeConfig.from_mapping({"REALTIME_CORS_ALLOWED_ORIGINS": value})


def test_an_unknown_key_is_an_error_with_a_guess() -> None:
    with pytest.raises(ConfigError, match=r"REALTIME_PING_INTERVALL .* Did you mean REALTIME_PING_INTERVAL\?"):
        RealtimeConfig.from_mapping({"REALTIME_PING_INTERVALL": 5})
