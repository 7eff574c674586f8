"""How long a job that failed waits."""

from datetime import timedelta

import pytest

from flask_realtime.jobs.backoff import retry_delay


@pytest.mark.parametrize(("attempts", "longest"), [(1, 5), (2, 10), (3, 20), (10, 2560), (11, 3600), (1000, 3600)])
def test_each_failure_doubles_the_delay_up_to_an_hour_and_half_of_it_is_chance(attempts: int, longest: float) -> None:
    assert retry_delay(attempts, lambda: 1.0) == timedelta(seconds=longest)
    assert retry_delay(attempts, lambda: 0.0) == timedelta(seconds=longest / 2)


def test_jobs_that_failed_together_are_not_tried_together() -> None:
    assert len({retry_delay(1) for _ in range(20)}) > 1
