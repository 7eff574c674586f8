"""Scrapes: the text of a page of metrics, as Prometheus reads it."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """The series of one scrape.

    Args:
        text: The page.
    """

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def values(self, name: str, **labels: str) -> list[float]:
        """The values of the series of a name with these labels, and whatever others; `worker` is the id of a process."""
        return [sample.value for sample in self._named(name) if labels.items() <= _labels(sample).items()]

    def total(self, name: str, **labels: str) -> float:
        """The sum of these values."""
        return sum(self.values(name, **labels))

    def labels(self, name: str, label: str) -> set[str]:
        """The values of a label of the series of a name."""
        return {sample.labels[label] for sample in self._named(name) if label in sample.labels}

    @property
    def workers(self) -> set[int]:
        """The process ids of the workers that have any series."""
        return {int(_labels(sample)["worker"]) for sample in self.samples if "worker" in sample.labels}

    def _named(self, name: str) -> list[Any]:
        return [sample for sample in self.samples if sample.name == f"flask_realtime_{name}"]


def _labels(sample: Any) -> dict[str, str]:
    return {label: value.partition(".")[0] if label == "worker" else value for label, value in sample.labels.items()}
