"""Spans that processes write to files of a folder, as the example does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.servers import poll

SECONDS = 20.0

Span = dict[str, Any]


def read_text(folder: Path) -> str:
    """Return what was written to a folder."""
    return "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.jsonl"))


def read_spans(folder: Path) -> list[Span]:
    """Return the spans in a folder; the last line of a file may be written just now."""
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.jsonl")]
    return [json.loads(line) for text in texts for line in text.split("\n")[:-1]]


def wait_for_span(folder: Path, name: str, where: Callable[[Span], bool] = bool) -> Span:
    """Wait for a span."""

    def found() -> list[Span]:
        return [span for span in read_spans(folder) if span["name"] == name and where(span)]

    assert poll(lambda: bool(found()), SECONDS), [span["name"] for span in read_spans(folder)]
    return found()[0]
