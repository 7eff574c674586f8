"""Metrics for Prometheus: `metrics_blueprint` serves them, and `flask realtime metrics` does so from a process of its own.

    app.register_blueprint(metrics_blueprint())     GET /metrics ─► all workers of this machine

Only this package needs `prometheus-client`, which the extra `metrics` installs.
"""

from flask_realtime.metrics.views import metrics_blueprint

__all__ = ["metrics_blueprint"]
