"""Metrics: what becomes of the readings of several workers, and whether all that a worker says has a meaning."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from flask_realtime.counts import BOUNDS, Histogram
from flask_realtime.gateway.scrape.asking import Answers, Worker
from flask_realtime.gateway.scrape.readings import Reading
from flask_realtime.metrics.collector import AnswersCollector
from flask_realtime.metrics.families import FAMILIES, OF_SCRAPE
from tests.scrapes import Scrape


def scrape(*workers: Worker, errors: int = 0) -> Scrape:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(AnswersCollector(Answers(list(workers), errors)))
    return Scrape(generate_latest(registry).decode())


def histogram(*seconds: float) -> list[Any]:
    filled = Histogram()
    for duration in seconds:
        filled.observe(duration)
    return [filled.buckets, filled.sum]


def test_each_worker_has_series_of_its_own() -> None:
    figures = {"7.one": 3, "8.two": 4, "8.three": 5}
    read = [(name, [Reading("events_sent", ("news",), count), Reading("users", (), count)]) for name, count in figures.items()]
    found = scrape(*(Worker(*each) for each in read))
    assert found.values("events_sent_total", event="news", worker="7") == [3]
    assert found.values("events_sent_total", event="news", worker="8") == [4, 5]
    assert found.values("users", worker="8") == [4, 5]
    assert found.labels("users", "worker") == set(figures)
    assert found.values("workers") == [3]
    assert found.values("scrape_errors") == [0]


def test_no_workers_are_said_too() -> None:
    found = scrape(errors=3)
    assert (found.values("workers"), found.values("scrape_errors"), found.workers) == ([0], [3], set())


def test_buckets_of_durations_are_cumulated() -> None:
    found = scrape(Worker("7.one", [Reading("hook_duration_seconds", ("on",), histogram(0.00001, 0.003, 0.003, 77))]))
    buckets = {sample.labels["le"]: sample.value for sample in found.samples if sample.name.endswith("_bucket")}
    assert len(buckets) == len(BOUNDS) + 1
    assert (buckets["5e-05"], buckets["0.0025"], buckets["0.005"], buckets["10.0"], buckets["+Inf"]) == (1, 1, 3, 3, 4)
    assert found.values("hook_duration_seconds_count", hook="on", worker="7") == [4]
    assert round(found.total("hook_duration_seconds_sum"), 5) == 77.00601


def test_readings_of_another_version_are_left_out() -> None:
    found = scrape(Worker("7.one", [Reading("of_tomorrow", ("x",), 1), Reading("users", (), 2)]))
    assert found.values("users") == [2]
    assert not found.values("of_tomorrow")


@pytest.mark.parametrize("family", [*FAMILIES, *OF_SCRAPE], ids=lambda family: str(family.name))
def test_each_family_says_what_it_is(family: Any) -> None:
    assert family.full_name.startswith("flask_realtime_")
    assert family.help.endswith(".")
    assert family.kind in {"gauge", "counter", "histogram"}


def test_no_two_families_have_one_name() -> None:
    names = [family.full_name for family in (*FAMILIES, *OF_SCRAPE)]
    assert len(set(names)) == len(names)
