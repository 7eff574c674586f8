"""Servers whose application seeds Python's generator still do not do the same at the same time."""

import random

from flask_realtime.jitter import jitter


def test_a_seed_of_the_application_does_not_matter_and_its_own_numbers_stay() -> None:
    random.seed(7)
    expected = random.Random(7).random()
    first = [jitter.uniform(0, 1) for _ in range(8)]
    assert random.random() == expected
    random.seed(7)
    assert [jitter.uniform(0, 1) for _ in range(8)] != first
