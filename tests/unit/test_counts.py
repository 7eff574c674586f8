"""Counts: what is counted apart, and what comes together because there is too much of it."""

from threading import Thread

import pytest

from flask_realtime.counts import BOUNDS, MAX_ALIKE, MAX_NAMES, OTHER, SAMPLE, Counts, Histogram, Numbers, Tallies, Tally


def test_each_name_has_a_tally_that_stays_the_same() -> None:
    tallies = Tallies()
    tallies["typing:start"].events += 2
    tallies["typing:stop"].events += 1
    assert {name: tally.count for name, tally in tallies.items()} == {OTHER: 0, "typing:start": 2, "typing:stop": 1}


def test_names_beyond_the_maximum_and_names_that_are_too_long_come_together() -> None:
    tallies, numbers = Tallies(), Numbers()
    for number in range(MAX_NAMES + 50):
        tallies[f"event {number}"].events += 1
        numbers.add(f"code {number}")
    tallies["event 0"].events += 1
    assert (len(tallies), tallies[OTHER].count, tallies["event 0"].count) == (MAX_NAMES, 51, 2)
    assert (len(numbers), numbers[OTHER], numbers["code 0"]) == (MAX_NAMES + 1, 50, 1)
    short, fewer = Tallies(), Numbers()
    short["x" * 65].events += 1
    fewer.add("x" * 65)
    fewer.add("x" * 64)
    assert (list(short), short[OTHER].count, fewer) == ([OTHER], 1, {OTHER: 1, "x" * 64: 1})


def test_sizes_of_events_count_before_and_after_they_are_added_up() -> None:
    tally, added_up = Tally(), []
    for size in range(2 * SAMPLE + 1):
        tally.sizes.append(size)
        if len(tally.sizes) >= tally.due:
            tally.add_up()
            added_up.append(size)
        assert (tally.count, tally.size) == (size + 1, sum(range(size + 1)))
    assert added_up == [0, SAMPLE, 2 * SAMPLE]
    assert not tally.sizes


def test_no_size_is_lost_while_several_threads_add_up() -> None:
    tally, number = Tally(), 20_000

    def receive() -> None:
        for _ in range(number):
            tally.sizes.append(3)
            if len(tally.sizes) >= tally.due:
                tally.add_up()

    threads = [Thread(target=receive) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tally.count, tally.size) == (4 * number, 12 * number)


def test_events_that_are_alike_count_with_the_others_of_their_name() -> None:
    tally = Tally()
    tally.events, tally.bytes = 1, 40
    three, two = tally.alike(3, 120), tally.alike(2, 90)
    assert three is not None
    assert two is not None
    three.times += 2
    two.times += 1
    assert tally.alike(3, 120) is three
    assert (tally.count, tally.size) == (1 + 6 + 2, 40 + 240 + 90)


def test_there_is_a_maximum_of_counters_of_events_that_are_alike() -> None:
    tally = Tally()
    for size in range(MAX_ALIKE):
        assert tally.alike(1, size) is not None
    assert tally.alike(1, MAX_ALIKE) is None
    assert tally.alike(1, 0) is not None


def test_a_duration_is_in_the_first_bucket_whose_bound_it_does_not_exceed() -> None:
    histogram = Histogram()
    for seconds in (0.00001, BOUNDS[0], 0.00006, BOUNDS[1], 60):
        histogram.observe(seconds)
    assert histogram.buckets == [2, 2, *[0] * (len(BOUNDS) - 2), 1]
    assert round(histogram.sum, 6) == 60.00022


def test_hooks_are_timed_apart() -> None:
    counts = Counts()
    counts.hook_took("on_connect", 0.002)
    counts.hook_took("on_connect", 0.002)
    counts.hook_took("on", 20)
    assert {hook: sum(histogram.buckets) for hook, histogram in counts.hooks.items()} == {"on_connect": 2, "on": 1}


def test_a_timed_task_is_counted_even_if_it_fails() -> None:
    def fail() -> None:
        raise LookupError

    counts, done = Counts(), list[int]()
    counts.timed(lambda: done.append(1))()
    with pytest.raises(LookupError):
        counts.timed(fail)()
    assert (done, sum(counts.waits.buckets), sum(counts.queued.buckets)) == ([1], 2, 2)
