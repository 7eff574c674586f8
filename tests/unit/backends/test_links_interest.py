"""In which rooms a server has somebody, as another server of its machine sees it."""

from __future__ import annotations

import os
import resource
from collections import Counter
from collections.abc import Iterator
from tempfile import TemporaryFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_realtime.backends.links.interest import MAX_ROOMS, Interest, InterestElsewhere, places_of


@pytest.fixture
def interest() -> Iterator[Interest]:
    interest = Interest()
    yield interest
    interest.close()


def seen(interest: Interest) -> InterestElsewhere:
    descriptor = interest.descriptor()
    assert descriptor is not None
    return InterestElsewhere(os.dup(descriptor))


def test_others_see_at_once_who_comes_and_who_goes(interest: Interest) -> None:
    elsewhere = seen(interest)
    assert not elsewhere.has_any(places_of(("kitchen", "cellar")))
    interest.add(["kitchen"])
    assert elsewhere.has_any(places_of(("cellar", "kitchen")))
    assert not elsewhere.has_any(places_of(("cellar",)))
    interest.discard(["kitchen"])
    assert not elsewhere.has_any(places_of(("kitchen",)))


def test_what_is_for_everyone_or_for_many_rooms_is_for_every_server(interest: Interest) -> None:
    elsewhere = seen(interest)
    assert elsewhere.has_any(places_of(None))
    rooms = tuple(map(str, range(MAX_ROOMS + 1)))
    assert elsewhere.has_any(places_of(rooms))
    assert not elsewhere.has_any(places_of(rooms[1:]))


@given(st.lists(st.tuples(st.booleans(), st.text(max_size=3)), max_size=60))
def test_a_room_that_was_added_is_seen_until_it_is_discarded_as_often(changes: list[tuple[bool, str]]) -> None:
    interest, rooms = Interest(), Counter[str]()
    elsewhere = seen(interest)
    for is_added, room in changes:
        if is_added or not rooms[room]:
            interest.add([room])
            rooms[room] += 1
        else:
            interest.discard([room])
            rooms[room] -= 1
        assert all(elsewhere.has_any(places_of((room,))) for room, count in rooms.items() if count)
    for room, count in rooms.items():
        interest.discard([room] * count)
    assert not any(elsewhere.has_any(places_of((room,))) for room in rooms)
    interest.close()


def test_a_place_of_more_rooms_than_can_be_counted_stays_of_interest(interest: Interest) -> None:
    elsewhere = seen(interest)
    interest.add(["kitchen"] * 300)
    interest.discard(["kitchen"] * 300)
    assert elsewhere.has_any(places_of(("kitchen",)))


def test_a_forked_child_counts_for_itself(interest: Interest) -> None:
    of_parent = seen(interest)
    interest.begin_in_child()
    of_child = seen(interest)
    interest.add(["kitchen"])
    assert of_child.has_any(places_of(("kitchen",)))
    assert not of_parent.has_any(places_of(("kitchen",)))


def test_a_child_that_may_have_inherited_somebody_is_interested_in_everything(interest: Interest) -> None:
    interest.add(["kitchen"])
    of_parent = seen(interest)
    interest.begin_in_child()
    of_child = seen(interest)
    interest.discard(["kitchen"])
    assert of_child.has_any(places_of(("kitchen",)))
    assert of_child.has_any(places_of(("cellar",)))
    assert of_parent.has_any(places_of(("kitchen",)))


def test_nothing_is_counted_after_the_end(interest: Interest) -> None:
    interest.close()
    interest.add(["kitchen"])
    interest.discard(["kitchen"])
    assert interest.descriptor() is None


def test_without_memory_nothing_is_counted_and_the_log_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    interest = Interest()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        interest.add(["kitchen"])
        assert interest.descriptor() is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    interest.discard(["kitchen"])
    assert caplog.text.count("send everything") == 1


def test_memory_that_is_too_small_is_not_looked_into_and_not_kept_open() -> None:
    with TemporaryFile() as file:
        file.truncate(10)
        descriptor = os.dup(file.fileno())
    with pytest.raises(ValueError, match="size"):
        InterestElsewhere(descriptor)
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(descriptor)
