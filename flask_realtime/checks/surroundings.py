"""Checks of an application's environment: message queue, database driver and packages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from typing import Final

from flask import Flask

from flask_realtime.backends.base import BackendUnavailable
from flask_realtime.checks.findings import Finding
from flask_realtime.gateway.gateway import Gateway

DISTRIBUTION: Final = "flask-realtime"
_BLOCKING: Final = {"psycopg2": "psycopg 3 (postgresql+psycopg://)", "mysqldb": "PyMySQL (mysql+pymysql://)"}
_REQUIREMENT: Final = re.compile(r"([\w.-]+)(?:\[[^\]]*\])?\s*>=\s*([\w.]+)")


def check_queue(gateway: Gateway) -> Iterator[Finding]:
    """Check that the message queue can be reached and is configured correctly."""
    backend = gateway.backend
    try:
        backend.check()
        warnings = backend.warnings()
    except BackendUnavailable as error:
        yield Finding(
            "queue_unreachable", f"The message queue cannot be reached: {error}.", "Start it, or correct REALTIME_MESSAGE_QUEUE."
        )
        return
    for line in warnings:
        yield Finding("queue_doubtful", line, "")


def check_database(app: Flask) -> Iterator[Finding]:
    """Check that the database driver does not block the event loop while it waits."""
    if "sqlalchemy" not in app.extensions:
        return
    # Servers import this module; without a database, SQLAlchemy would cost 10 MiB for nothing.
    from sqlalchemy.engine import make_url  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        driver = make_url(app.config.get("SQLALCHEMY_DATABASE_URI") or "").get_dialect().driver
    except (SQLAlchemyError, ImportError):
        return
    if driver == "pysqlite":
        problem = "The database is SQLite: under gevent, a worker blocks while it waits for another process's write."
        yield Finding("database_sqlite", problem, "Use PostgreSQL if there are many writes.", "hint")
    elif driver in _BLOCKING:
        problem = f"The database's driver is {driver}: under gevent, a worker blocks during each query, unless it was patched."
        yield Finding("database_driver_blocks", problem, f"Use {_BLOCKING[driver]}.", "hint")


def check_tables(app: Flask, gateway: Gateway) -> Iterator[Finding]:
    """Check that the database of the application's store has its tables, with all their columns, triggers and indexes of text."""
    tables = gateway.tables()
    if tables is None or not tables.is_set_up(app.extensions):
        return
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - as above

    try:
        with app.app_context():
            missing, columns, parts = tables.missing()
    except SQLAlchemyError as error:
        reason = str(error).partition("\n")[0]
        yield Finding("database_unreachable", f"The store's database cannot be asked: {reason}.", "Start it, or correct its URI.")
        return
    if missing:
        problem = f"The database lacks tables, and what the store does with them fails: {', '.join(missing)}."
        yield Finding("tables_missing", problem, "Create them, with db.create_all() or a migration.")
    if columns:
        problem = f"The database lacks columns, and what the store does with their tables fails: {', '.join(columns)}."
        yield Finding("columns_missing", problem, "Add them with a migration, which db.create_all() is not.")
    if parts:
        problem = f"The database lacks triggers or indexes that belong to the store's tables: {', '.join(parts)}."
        yield Finding("triggers_missing", problem, "Make them in a migration: call .create(op.get_bind()) on each.")


def check_versions(
    requirements: Iterable[str] | None = None, version_of: Callable[[str], str] = metadata.version
) -> Iterator[Finding]:
    """Find packages that are older than this one supports; those of extras count only where they are installed.

    Args:
        requirements: The package's requirements; by default those in its metadata.
        version_of: Returns the version of a package; raises `PackageNotFoundError` where it is not installed.
    """
    for name, least, is_extra in _minimums(_own_requirements() if requirements is None else requirements):
        try:
            version = version_of(name)
        except metadata.PackageNotFoundError:
            if not is_extra:
                yield Finding("package_missing", f"{name} is not installed.", f"Run: pip install '{name}>={least}'")
            continue
        if _numbers(version) < _numbers(least):
            problem = f"{name} {version} is older than {least}, the oldest version that flask_realtime works with."
            yield Finding("package_old", problem, f"Run: pip install '{name}>={least}'")


def _own_requirements() -> list[str]:
    try:
        return metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []


def _minimums(requirements: Iterable[str]) -> Iterator[tuple[str, str, bool]]:
    seen: set[str] = set()
    for requirement in requirements:
        text, _, marker = requirement.partition(";")
        found = _REQUIREMENT.match(text)
        if found is not None and found[0] not in seen:
            seen.add(found[0])
            yield found[1], found[2], "extra" in marker


def _numbers(version: str) -> tuple[int, ...]:
    """Return a version's leading numbers without trailing zeros, for comparison: 2.0 is not older than 2."""
    release = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in release[0].split(".")] if release else [0]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
