"""What recovery is made of an application's settings: for how long events and leases are kept."""

from __future__ import annotations

import pytest

from flask_realtime.backends.recovery import RecoveryOptions
from flask_realtime.config import RealtimeConfig
from flask_realtime.gateway.recovery import setup
from tests.clock import Clock

CONFIG = RealtimeConfig(recovery_window=80.0, ping_interval=7.0, ping_timeout=3.0, recovery_bytes=5_000, max_connections_per_user=2)


def test_events_are_kept_until_a_loss_was_noticed_and_the_window_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(setup, "monotonic", clock)
    journal = setup.new_journal(CONFIG)
    assert journal is not None
    kept = []
    for seconds in (0.0, 90.0, 0.5):
        clock.now += seconds
        journal.history.add(("2[]",), None, (), None)
        kept.append(len(journal.history))
    assert kept == [1, 2, 2], "the first one was too old by then"
    journal.history.add(("x" * 5_000,), None, (), None)
    assert len(journal.history) == 0


def test_each_server_has_a_name_of_its_own() -> None:
    names = {journal.offsets.server_id for _ in range(20) if (journal := setup.new_journal(CONFIG)) is not None}
    assert len(names) == 20


def test_other_servers_keep_leases_and_events_as_long_as_a_connection_may_be_silent_too() -> None:
    assert setup.recovery_options(CONFIG) == RecoveryOptions(80.0 + 25.0 + 7.0 + 3.0, 5_000)


def test_without_a_window_there_is_nothing() -> None:
    off = RealtimeConfig(recovery_window=None)
    assert (setup.new_journal(off), setup.recovery_options(off)) == (None, None)
