"""Rate limits, under a clock that tests set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.allowances import FailedLoginLimiter, RateLimit, TokenBucket, Users, network, retry_after
from flask_realtime.errors import ConnectionRefused
from flask_realtime.gateway.limits.connect_limiter import ConnectLimiter
from flask_realtime.rates import PERIODS, Rate, parse_rate

RATES = st.builds(Rate, st.integers(1, 1000), st.sampled_from(sorted(PERIODS)), st.integers(1, 500))
PAUSES = st.lists(st.one_of(st.just(0.0), st.floats(0, 100)), max_size=200)
STARTS = st.floats(0, 1e7)


@given(RATES, STARTS, PAUSES)
def test_never_more_than_the_rate_and_a_burst(rate: Rate, start: float, pauses: list[float]) -> None:
    bucket, now, taken = TokenBucket(rate), start, []
    for pause in pauses:
        now += pause
        if bucket.take(now):
            taken.append(now)
    for first, moment in enumerate(taken):
        for count, later in enumerate(taken[first:], 1):
            assert count <= (later - moment) / rate.interval + rate.burst + 0.01


@given(RATES, STARTS)
def test_a_burst_is_allowed_in_full_and_not_one_more(rate: Rate, start: float) -> None:
    bucket = TokenBucket(rate)
    assert [bucket.take(start) for _ in range(rate.burst + 1)] == [True] * rate.burst + [False]


@given(RATES, STARTS, PAUSES)
def test_who_waits_as_told_is_let_through_and_who_does_not_is_not(rate: Rate, start: float, pauses: list[float]) -> None:
    bucket, now = TokenBucket(rate), start
    for pause in pauses:
        now += pause
        while bucket.take(now):
            pass
        wait = bucket.wait(now)
        assert 0 < wait <= rate.interval * 1.01 + 1e-6
        # A little less than told may do: times are sums of fractions.
        assert not bucket.take(now + max(0.0, wait - rate.interval / 100) * 0.9)
        now += retry_after(wait)
        assert bucket.take(now)


@given(RATES, STARTS)
def test_an_even_pace_is_never_refused(rate: Rate, start: float) -> None:
    bucket = TokenBucket(rate)
    assert all(bucket.take(start + number * rate.interval) for number in range(1000))


def test_what_is_refused_takes_nothing() -> None:
    bucket = TokenBucket(parse_rate("1/second"))
    assert bucket.take(100)
    assert not any(bucket.take(100.5) for _ in range(100))
    assert bucket.take(101)


def test_a_connection_has_no_more_than_its_user_and_the_user_loses_nothing_by_its_refusals() -> None:
    user = TokenBucket(parse_rate("3/minute"))
    first, second = RateLimit(parse_rate("2/minute"), user), RateLimit(None, user)
    assert [first.take(100) for _ in range(4)] == [True, True, False, False]
    assert [second.take(100) for _ in range(3)] == [True, False, False]
    assert first.wait(100) == pytest.approx(30, rel=0.01)
    assert second.wait(100) == pytest.approx(20, rel=0.01)


def test_without_a_limit_everything_is_allowed() -> None:
    allowance = RateLimit(None, None)
    assert all(allowance.take(100) for _ in range(1000))
    assert allowance.wait(100) == 0


@pytest.mark.parametrize(("seconds", "told"), [(0.0, 0.01), (0.001, 0.01), (0.011, 0.02), (0.5, 0.5), (59.991, 60.0)])
def test_the_time_to_wait_is_told_in_hundredths_and_never_too_short(seconds: float, told: float) -> None:
    assert retry_after(seconds) == told


# Users --------------------------------------------------------------------------------------------------------------------------


def test_a_user_is_forgotten_when_gone_and_nothing_is_lost_by_it() -> None:
    users, rate = Users(), parse_rate("1/minute")
    bucket = users.enter("ann").bucket(0, rate)
    assert bucket is not None
    bucket.take(100)
    assert users.enter("ann").bucket(0, rate) is bucket
    users.leave("ann", 101)
    users.leave("ann", 102)
    assert users.enter("ann").bucket(0, rate) is bucket
    users.leave("ann", 103)
    users.enter("ben")
    users.leave("ben", 161)
    assert len(users) == 0


def test_users_who_are_gone_are_remembered_up_to_a_number() -> None:
    users, rate = Users(kept=10), parse_rate("1/hour")
    for number in range(100):
        bucket = users.enter(str(number)).bucket(0, rate)
        assert bucket is not None
        bucket.take(100)
        users.leave(str(number), 100)
    assert len(users) == 10


# Addresses ----------------------------------------------------------------------------------------------------------------------


def test_an_address_waits_after_too_many_failures_and_no_other_does() -> None:
    failures = FailedLoginLimiter(parse_rate("2/minute"))
    failures.note("192.0.2.1", 100)
    assert failures.wait("192.0.2.1", 100) == 0
    failures.note("192.0.2.1", 100)
    wait = failures.wait("192.0.2.1", 100)
    assert wait == pytest.approx(30, rel=0.01)
    assert failures.wait("192.0.2.1", 100 + wait) == 0
    assert failures.wait("192.0.2.2", 100) == 0


def test_a_failure_without_an_address_is_nobodys() -> None:
    failures = FailedLoginLimiter(parse_rate("1/hour"))
    failures.note("", 100)
    assert failures.wait("", 100) == 0


def test_addresses_are_remembered_up_to_a_number_and_as_long_as_they_matter() -> None:
    failures = FailedLoginLimiter(parse_rate("1/minute"), kept=10)
    for number in range(100):
        failures.note(f"192.0.2.{number}", 100)
    assert len(failures) == 10
    assert failures.wait("192.0.2.99", 100) > 0
    assert failures.wait("192.0.2.1", 100) == 0
    failures.note("192.0.2.200", 161)
    assert len(failures) == 1


def test_of_addresses_the_one_is_forgotten_that_has_not_failed_for_longest() -> None:
    failures = FailedLoginLimiter(parse_rate("1/minute"), kept=2)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3"):
        failures.note(address, 100)
    assert [failures.wait(f"192.0.2.{number}", 100) > 0 for number in (1, 2, 3)] == [True, False, True]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::"),
        ("2001:db8:0:2:2:3:4:5", "2001:db8:0:2::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::"),
        ("unix:/run/peer", "unix:/run/peer"),
        ("", ""),
    ],
)
def test_an_ipv6_address_counts_by_its_network(address: str, expected: str) -> None:
    assert network(address) == expected


def test_every_refusal_counts_but_of_what_was_good_once_and_of_who_is_to_come_back() -> None:
    limiter = ConnectLimiter(None, parse_rate("1/hour"), lambda: 100.0)

    def refused_for(code: str, address: str = "192.0.2.1", retry_after: float | None = None) -> ConnectionRefused:
        with pytest.raises(ConnectionRefused) as refused, limiter.attempt(address):
            raise ConnectionRefused(code=code, retry_after=retry_after)
        return refused.value

    for code, later in (("token_expired", None), ("too_many_connections", 5.0), ("token_missing", None)):
        assert refused_for(code, retry_after=later).code == code
    error = refused_for("token_missing")
    refused_for("connection_refused", "192.0.2.2")  # An application's own, in words of its own.
    assert refused_for("connection_refused", "192.0.2.2").code == "rate_limited"
    assert error.code == "rate_limited"
    assert error.retry_after == pytest.approx(3600, rel=0.01)
