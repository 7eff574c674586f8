"""Log lines as JSON, for those who set `LOG_FORMAT=json`; `LOG_LEVEL` is the lowest level, `INFO` by default.

The lines of gunicorn itself are formatted by its own settings: see docs/how-to/logging.md.
"""

from __future__ import annotations

import logging
import os

from flask_realtime import tracing
from flask_realtime.json_logs import JsonFormatter


def set_up_logs(*, has_traces: bool) -> None:
    """Write the application's lines as JSON if the environment says so.

    Args:
        has_traces: Whether each line has the ids of the current span.
    """
    if os.environ.get("LOG_FORMAT") == "json":
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter(fields=tracing.current_ids if has_traces else None))
        logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"), handlers=[handler], force=True)
