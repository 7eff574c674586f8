"""When which connections of a server that stops are ended."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.engine.drain import BATCH_INTERVAL, SMALLEST_BATCH, plan_batches

COUNTS = st.integers(0, 20_000)
SECONDS = st.floats(0, 20)


@given(COUNTS, SECONDS, st.integers())
def test_every_connection_has_its_batch_within_the_time(count: int, seconds: float, seed: int) -> None:
    batches = plan_batches(count, seconds, random.Random(seed).random)
    assert sum(batch.size for batch in batches) == count
    assert all(0 <= batch.at <= seconds and batch.size > 0 for batch in batches)
    assert [batch.at for batch in batches] == sorted(batch.at for batch in batches)


@given(COUNTS, SECONDS)
def test_batches_are_of_one_size(count: int, seconds: float) -> None:
    sizes = {batch.size for batch in plan_batches(count, seconds, lambda: 0.5)}
    assert not sizes or max(sizes) - min(sizes) <= 1


def test_many_take_all_the_time() -> None:
    batches = plan_batches(10_000, 10.0, lambda: 0.0)
    assert [batch.size for batch in batches] == [100] * 100
    assert batches[-1].at == pytest.approx(10.0 - BATCH_INTERVAL)


def test_few_take_less() -> None:
    assert len(plan_batches(SMALLEST_BATCH, 10.0, lambda: 0.0)) == 1
    assert [batch.at for batch in plan_batches(3 * SMALLEST_BATCH, 10.0, lambda: 0.0)] == pytest.approx([0.0, 0.1, 0.2])


def test_an_only_connection_is_ended_too() -> None:
    assert plan_batches(1, 10.0, lambda: 0.0) == [(0.0, 1)]


def test_each_batch_comes_at_a_random_moment_of_its_interval() -> None:
    moments = iter([0.5, 0.25, 0.75])
    batches = plan_batches(3 * SMALLEST_BATCH, 10.0, lambda: next(moments))
    assert [batch.at for batch in batches] == pytest.approx([0.05, 0.125, 0.275])


def test_without_time_all_end_at_once() -> None:
    assert plan_batches(10_000, 0, lambda: 0.9) == [(0.0, 10_000)]
