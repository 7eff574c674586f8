"""The table of metrics, from the families that a scrape has."""

from collections.abc import Iterable

from flask_realtime.metrics.families import FAMILIES, OF_SCRAPE, Family


def metrics() -> str:
    """Return a table with a row for each metric."""
    lines = ["| Metric | Kind | Labels | Meaning |", "|---|---|---|---|"]
    lines += _rows(FAMILIES, "worker")
    lines += _rows(OF_SCRAPE)
    return "\n".join(lines)


def _rows(families: Iterable[Family], *more: str) -> list[str]:
    return [f"| `{family.full_name}` | {family.kind} | {_code((*family.labels, *more))} | {family.help} |" for family in families]


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
