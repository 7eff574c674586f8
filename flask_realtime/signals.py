"""Signals, as in Flask; the sender is the application."""

from __future__ import annotations

from typing import Final

from blinker import NamedSignal

event_sent: Final = NamedSignal("event-sent")
"""An event was handed to the transport. Receivers get it as `event`: a `flask_realtime.contract.effects.Send`."""
