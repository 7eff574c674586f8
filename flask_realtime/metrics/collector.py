"""Collector: the answers of the workers as Prometheus's families."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from flask_realtime.counts import BOUNDS
from flask_realtime.gateway.scrape.asking import Answers
from flask_realtime.gateway.scrape.readings import Reading
from flask_realtime.metrics.families import COUNTER, ERRORS, FAMILIES, HISTOGRAM, JOB_PROCESSES, PREFIX, WORKERS, Family

_BOUNDS: Final = (*map(str, BOUNDS), "+Inf")

AnyFamily = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


class AnswersCollector(Collector):
    """Collects what workers answered, each series with the process of its worker.

    Args:
        answers: The answers.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def collect(self) -> Iterable[AnyFamily]:
        """Return all families, those too that no worker has something of."""
        readings = self._by_name()
        for family in FAMILIES:
            yield _filled(family, readings.get(family.name, ()))
        workers, errors = self._answers
        for_jobs = sum(worker.runs_jobs for worker in workers)
        for family, number in ((WORKERS, len(workers) - for_jobs), (JOB_PROCESSES, for_jobs), (ERRORS, errors)):
            yield GaugeMetricFamily(f"{PREFIX}{family.name}", family.help, value=number)

    def _by_name(self) -> dict[str, list[tuple[str, Reading]]]:
        # A worker of another version may have names that are unknown here.
        found: dict[str, list[tuple[str, Reading]]] = {}
        for worker in self._answers.workers:
            for reading in worker.readings:
                found.setdefault(reading.name, []).append((worker.name, reading))
        return found


def _filled(family: Family, readings: Iterable[tuple[str, Reading]]) -> AnyFamily:
    described = (f"{PREFIX}{family.name}", family.help)
    labels = (*family.labels, "worker")
    if family.kind == HISTOGRAM:
        histogram = HistogramMetricFamily(*described, labels=labels)
        for worker, (_, values, (buckets, total)) in readings:
            histogram.add_metric([*values, worker], list(_cumulated(buckets)), total)
        return histogram
    filled: Any = (CounterMetricFamily if family.kind == COUNTER else GaugeMetricFamily)(*described, labels=labels)
    for worker, (_, values, value) in readings:
        filled.add_metric([*values, worker], value)
    counted: AnyFamily = filled
    return counted


def _cumulated(buckets: Iterable[int]) -> Iterator[tuple[str, float]]:
    return zip(_BOUNDS, map(float, accumulate(buckets)), strict=True)
