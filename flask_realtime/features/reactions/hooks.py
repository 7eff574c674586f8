"""Hook of reactions."""

from __future__ import annotations

from typing import Final

from flask_realtime.feature.hook import Hook

REACTIONS: Final = Hook("reactions.store", (), is_single=True)
"""Its function returns the `StoredReactions`. `Store.register` registers it where there are models of reactions."""
