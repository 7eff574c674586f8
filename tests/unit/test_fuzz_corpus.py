"""What fuzzing found worth keeping: none of it breaks anything."""

import pytest

from tests.fuzz.__main__ import CORPUS
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_corpus_breaks_nothing(name: str) -> None:
    inputs = sorted((CORPUS / name).iterdir())
    assert len(inputs) > 1
    for path in inputs:
        TARGETS[name](path.read_bytes())
