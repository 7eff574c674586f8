"""A clock of the test's own."""

import pytest

from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()
