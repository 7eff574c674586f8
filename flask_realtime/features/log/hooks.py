"""Hook of the log."""

from __future__ import annotations

from typing import Final

from flask_realtime.feature.hook import Hook

OUTBOX: Final = Hook("log.outbox", (), is_single=True)
"""Its function returns the `Outbox`. `Store.register` registers it; an application without a log has none."""
