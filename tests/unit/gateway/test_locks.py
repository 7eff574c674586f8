"""Locks of sections in which nothing switches."""

from __future__ import annotations

import subprocess
import sys

PATCHED = """
from gevent import monkey; monkey.patch_all()
from flask_realtime.gateway.locks import native_lock, native_rlock
lock = native_rlock()
with lock, lock:
    print(type(native_lock()).__module__, type(lock).__module__)
"""


def test_they_are_no_locks_of_gevents_where_gevent_has_patched_threads() -> None:
    found = subprocess.run([sys.executable, "-c", PATCHED], check=True, capture_output=True, text=True)
    assert found.stdout.split() == ["_thread", "_thread"]
