"""The configuration reference, from the settings' own metadata."""

from dataclasses import Field, fields
from typing import Any

from flask_realtime.config import PREFIX, RealtimeConfig


def settings() -> str:
    """Return a section for each setting."""
    return "\n\n".join(_setting(item) for item in fields(RealtimeConfig))


def _setting(item: "Field[Any]") -> str:
    return "\n".join(
        [
            f"## `{PREFIX}{item.name.upper()}`",
            "",
            item.metadata["doc"],
            "",
            f"- Default: `{item.metadata.get('shown', item.default)!r}`",
            f"- Expected: {item.metadata['expected']}",
        ]
    )
