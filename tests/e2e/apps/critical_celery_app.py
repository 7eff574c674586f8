"""The application with critical notifications, whose jobs Celery's workers run."""

import os

from celery import Celery

from flask_realtime.jobs.celery import add_tasks
from tests.e2e.apps.critical_app import create_app

app = create_app()
celery = Celery("critical", broker=os.environ["BROKER_URL"])
celery.conf.broker_connection_retry_on_startup = True
tasks = add_tasks(celery, app)
