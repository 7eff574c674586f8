"""The channels of critical notifications: e-mails, which this example only writes to its log."""

from __future__ import annotations

from flask import current_app

from example_app.models import find_user
from flask_realtime import CriticalNotification


def send_email(notification: CriticalNotification) -> None:
    """Log what an e-mail to the user would say. A real one has the job's id as its Message-ID, so that a second is ignored."""
    user = find_user(notification.user_id)
    if user is not None:
        current_app.logger.warning(
            "E-mail to %s: %r: %r (job %s)", user.username, notification.title, notification.message, notification.job_id
        )
