"""Jobs in tests: run at once, instead of by a worker."""

from __future__ import annotations

from flask import Flask

from flask_realtime.jobs.host import job_host_of


def run_due_jobs(app: Flask) -> int:
    """Run the jobs that are due, such as critical notifications, and return how many there were.

    With `REALTIME_CRITICAL_TIMEOUT = 0` a critical notification is due at once.

    Args:
        app: The application.
    """
    return job_host_of(app).runner.run_due()
