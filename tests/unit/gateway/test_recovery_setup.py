"""What recovery is made of an application's settings: for how long events and leases are kept."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_realtime import Realtime
from flask_realtime.backends.recovery import RecoveryOptions
from flask_realtime.backends.segments import SegmentFolder
from flask_realtime.config import RealtimeConfig
from flask_realtime.extension import gateway_of
from flask_realtime.gateway.recovery import setup
from flask_realtime.gateway.recovery.kept_lines import header_line
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


@pytest.mark.parametrize(("settings", "is_left"), [({"REALTIME_RECOVERY_WINDOW": None}, False), ({}, True)])
def test_a_server_without_recovery_leaves_nothing_that_a_later_one_would_take_for_whole(
    tmp_path: Path, settings: dict[str, Any], *, is_left: bool
) -> None:
    earlier = SegmentFolder(tmp_path / "realtime", 1_000)
    assert earlier.acquire()
    earlier.begin([header_line("earlier", 0, 0, time.time())], oldest=0.0)
    earlier.release()
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config.update(settings, JWT_SECRET_KEY="0123456789abcdef" * 2)
    Realtime(app)
    gateway = gateway_of(app)
    gateway.on_serving()
    assert earlier.exists == is_left
    if gateway._kept is not None:
        gateway._kept.release()


def test_without_a_window_there_is_nothing() -> None:
    off = RealtimeConfig(recovery_window=None)
    assert (setup.new_journal(off), setup.recovery_options(off)) == (None, None)
