"""Rates as configuration spells them."""

from typing import Any

import pytest

from flask_realtime.rates import InvalidRate, Rate, parse_rate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10/second", Rate(10, "second", 10)),
        ("10/second, burst 20", Rate(10, "second", 20)),
        (" 5 / minute ,burst  2 ", Rate(5, "minute", 2)),
        ("1/hour", Rate(1, "hour", 1)),
    ],
)
def test_a_rate_is_a_number_a_period_and_a_burst(text: str, expected: Rate) -> None:
    assert parse_rate(text) == expected
    assert parse_rate(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the form is"),
        ("ten/second", "the form is"),
        ("10", "the form is"),
        ("10/second burst 20", "the form is"),
        ("1.5/second", "the form is"),
        ("-1/second", "the form is"),
        ("10/second, burst 20, burst 30", "the form is"),
        ("9999999999/second", "the form is"),
        (10, "the form is"),
        (None, "the form is"),
        ("10/day", "the period is one of second, minute, hour, not day"),
        ("10/seconds", "the period is"),
        ("0/second", "above 0"),
        ("1/second, burst 0", "above 0"),
    ],
)
def test_anything_else_is_an_error_that_says_what_is_wrong(text: Any, problem: str) -> None:
    with pytest.raises(InvalidRate, match=problem):
        parse_rate(text)


def test_a_rate_says_how_far_apart_and_how_far_ahead() -> None:
    rate = parse_rate("30/minute, burst 3")
    assert (rate.interval, rate.ahead) == (2.0, 4.0)
    assert rate.times(3) == Rate(90, "minute", 9)


@pytest.mark.parametrize(("text", "ahead"), [("10/second, burst 21", 2.0), ("1/hour, burst 3", 7200.0), ("5/minute, burst 1", 0.0)])
def test_a_burst_may_be_ahead_by_all_but_one_of_its_intervals(text: str, ahead: float) -> None:
    assert parse_rate(text).ahead == pytest.approx(ahead)


@pytest.mark.parametrize(("period", "seconds"), [("second", 1.0), ("minute", 60.0), ("hour", 3600.0)])
def test_a_rate_of_one_is_one_in_each_period(period: str, seconds: float) -> None:
    assert parse_rate(f"1/{period}").interval == seconds
