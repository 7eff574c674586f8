"""Times on the wire, as clients write them."""

from datetime import datetime, timezone

import pytest

from flask_realtime.contract.times import parse_wire_time, wire_time

NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00.000Z",
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00Z",
        "2026-01-31T14:30:00+02:30",
        "2026-01-31T12:00:00.0000000-00:00",
    ],
)
def test_a_time_is_read_in_utc(text: str) -> None:
    assert parse_wire_time(text) == NOON


def test_a_fraction_of_a_second_may_have_any_length() -> None:
    assert [parse_wire_time(f"2026-01-31T12:00:00.{digits}Z") for digits in ("5", "25", "123456789")] == [
        NOON.replace(microsecond=microsecond) for microsecond in (500_000, 250_000, 123_456)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-02-30T12:00:00Z",
        "2026-01-31T25:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "2026-01-31T12:00:00Z ",
        "2026-01-31 12:00:00Z",
        "\u0662026-01-31T12:00:00Z",
        "2026-01-31T12:00:00+24:00",
    ],
)
def test_what_is_no_time_with_a_zone_is_refused(text: str) -> None:
    assert parse_wire_time(text) is None


def test_what_is_written_is_read_again() -> None:
    assert parse_wire_time(wire_time(NOON)) == NOON
