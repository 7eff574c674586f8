"""Configuration: defaults, and errors at start that name the key."""

from typing import Any

import pytest

from flask_realtime.config import RealtimeConfig
from flask_realtime.errors import ConfigError
from flask_realtime.rates import Rate


def test_the_defaults_work_and_other_keys_are_left_alone() -> None:
    assert RealtimeConfig.from_mapping({"SECRET_KEY": "x"}) == RealtimeConfig()


def test_events_are_kept_for_a_minute_and_servers_have_ten_seconds_to_give_a_sign_of_life() -> None:
    config = RealtimeConfig()
    assert (config.message_queue_retention, config.server_lease) == (60, 10)
    assert RealtimeConfig(server_lease=8.0).retry_after == 4.0


def test_the_defaults_are_those_that_are_documented() -> None:
    config = RealtimeConfig()
    assert (config.ping_interval, config.ping_timeout, config.typing_timeout, config.connect_timeout) == (25, 20, 7, 45)
    assert (config.keep_alive, config.drain_time, config.expiry_warning, config.expiry_grace) == (75, 10, 60, 25)
    assert (config.max_payload_bytes, config.max_http_buffer_size, config.max_backlog_bytes) == (65_536, 1_000_000, 1_048_576)
    assert (config.max_status_ids, config.max_connections_per_user, config.max_rooms, config.max_nesting) == (100, 20, 200, 32)
    assert (config.max_pending_events, config.max_head_bytes, config.revocation_interval) == (256, 32_768, 30)
    assert config.after_commit is False
    assert config.log_retention == 7 * 24 * 3600


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
        ("MAX_CONNECTIONS", 0),
        ("MAX_ROOMS", None),
        ("MAX_NESTING", 0),
        ("LIMITS", None),
        ("LIMITS", "10/second"),
        ("LIMITS", {"sockets": "10/second"}),
        ("LIMITS", {"authentication": None}),
        ("USER_LIMITS", ["typing"]),
        ("MAX_REFUSALS", "often"),
        ("MAX_REFUSALS", 100),
        ("MAX_FAILED_CONNECTS", "30/day"),
        ("AFTER_COMMIT", 1),
        ("AFTER_COMMIT", None),
        ("LOG_RETENTION", 0),
        ("LOG_RETENTION", None),
        ("LOG_RETENTION", 1e10),
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


def test_limits_that_are_not_given_keep_their_defaults() -> None:
    config = RealtimeConfig.from_mapping({"REALTIME_LIMITS": {"typing": "5/minute", "joins": None}, "REALTIME_MAX_REFUSALS": None})
    assert config.limits == {**RealtimeConfig().limits, "typing": Rate(5, "minute", 5), "joins": None}
    assert config.user_limits == {name: rate and rate.times(3) for name, rate in RealtimeConfig().limits.items()}
    assert config.max_refusals is None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "LIMITS",
            {"typing": "10/sec"},
            (
                "REALTIME_LIMITS['typing'] must be None for no limit, or a rate such as '10/second, burst 20', not '10/sec': "
                "the period is one of second, minute, hour, not sec"
            ),
        ),
        (
            "USER_LIMITS",
            {"joins": 5},
            (
                "REALTIME_USER_LIMITS['joins'] must be None for no limit, or a rate such as '10/second, burst 20', not 5: "
                "the form is '<number>/<period>, burst <number>'"
            ),
        ),
        (
            "MAX_FAILED_CONNECTS",
            "0/minute",
            (
                "REALTIME_MAX_FAILED_CONNECTS must be None for no limit, or a rate such as '10/second, burst 20', not '0/minute': "
                "both numbers must be above 0; None means no limit"
            ),
        ),
    ],
)
def test_an_error_about_a_rate_says_what_is_wrong_with_it_and_what_is_right(key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RealtimeConfig.from_mapping({f"REALTIME_{key}": value})
    assert str(caught.value) == message
