"""`flask realtime check` about the database of a store: whether it is the application's, can be reached, and has the tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy

from flask_realtime import Realtime
from flask_realtime.checks import Finding, find_all, find_certain
from flask_realtime.extension import gateway_of
from flask_realtime.store import JobMixin, MemberCount, SearchIndex, Store, define_models
from tests.integration.conftest import KEY
from tests.integration.example_support import create_tables, shared_models, sqlite_url


def make_app(url: str) -> Flask:
    app = Flask("chat")
    app.config.update(JWT_SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI=url, REALTIME_ASYNC_MODE="threading")
    JWTManager(app)
    app.add_url_rule("/", view_func=lambda: "served")
    return app


def with_store(app: Flask, db: SQLAlchemy, models: Any) -> None:
    realtime = Realtime()
    Store(db, models).register(realtime)
    realtime.init_app(app)


def problems(app: Flask) -> list[Finding]:
    return [finding for finding in find_all(app, gateway_of(app)) if finding.level == "problem"]


def test_a_store_with_all_its_tables_is_fine(database_url: str) -> None:
    app = make_app(database_url)
    db, models = shared_models(app, log=True, search=True, analytics=True)
    with_store(app, db, models)
    with app.app_context():
        create_tables(db)
    assert problems(app) == []


def test_tables_that_are_not_there_are_named_by_the_command_alone(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(database_url)
    db, models = shared_models(app, log=True)
    with_store(app, db, models)
    (found,) = problems(app)
    assert found.code == "tables_missing"
    with app.app_context():
        for table in db.metadata.tables:
            assert table in found.problem
        assert found.remedy == "Create them, with db.create_all() or a migration."
        db.create_all()
        db.session.execute(db.text("DROP TABLE realtime_job"))
        db.session.commit()
    (found,) = problems(app)
    assert found.problem == "The database lacks tables, and what the store does with them fails: realtime_job."
    assert app.test_client().get("/").text == "served"
    assert caplog.messages == []


def test_columns_that_are_not_there_are_named(database_url: str) -> None:
    app = make_app(database_url)
    db, models = shared_models(app, log=True)
    with_store(app, db, models)
    with app.app_context():
        create_tables(db)
        for column in ("last_error", "expires_at"):
            db.session.execute(db.text(f"ALTER TABLE realtime_job DROP COLUMN {column}"))
        db.session.execute(db.text("ALTER TABLE realtime_message DROP COLUMN edited_at"))
        db.session.commit()
    (found,) = problems(app)
    assert found.code == "columns_missing"
    assert found.problem.endswith(": realtime_message.edited_at, realtime_job.expires_at, realtime_job.last_error.")
    assert "migration" in found.remedy


def test_triggers_and_indexes_of_text_that_are_not_there_are_named(database_url: str) -> None:
    app = make_app(database_url)
    db, models = shared_models(app, search=True)
    with_store(app, db, models)
    with app.app_context():
        create_tables(db)
        for part in (MemberCount("realtime_conversation", "realtime_participant"), SearchIndex("realtime_message")):
            part.drop(db.session.connection())
            db.session.commit()
            (found,) = problems(app)
            assert found.code == "triggers_missing"
            assert found.problem == f"The database lacks triggers or indexes that belong to the store's tables: {part!r}."
            part.create(db.session.connection())
            db.session.commit()
    assert problems(app) == []


@pytest.mark.parametrize("moment", ["insert", "delete", "update"])
def test_an_index_of_text_without_one_of_its_triggers_counts_as_not_there(tmp_path: Path, moment: str) -> None:
    app = make_app(sqlite_url(tmp_path))
    db, models = shared_models(app, search=True)
    with_store(app, db, models)
    with app.app_context():
        db.create_all()
        db.session.execute(db.text(f"DROP TRIGGER realtime_message_search_{moment}"))
        db.session.commit()
    (found,) = problems(app)
    assert found.problem.endswith(": SearchIndex(table='realtime_message').")


def test_a_table_of_another_database_is_looked_for_there(tmp_path: Path) -> None:
    app = make_app(sqlite_url(tmp_path))
    app.config["SQLALCHEMY_BINDS"] = {"jobs": f"sqlite:///{tmp_path / 'jobs.sqlite3'}"}
    db = SQLAlchemy(app)

    class OwnJob(JobMixin, db.Model):  # type: ignore[name-defined, misc]
        __tablename__ = "own_job"
        __bind_key__ = "jobs"

    with_store(app, db, replace(define_models(db), job=OwnJob))
    with app.app_context():
        db.create_all(None)
        assert [found.problem for found in problems(app)] == [
            "The database lacks tables, and what the store does with them fails: own_job."
        ]
        db.create_all("jobs")
    assert problems(app) == []


def test_a_database_that_cannot_be_reached_is_a_problem(tmp_path: Path) -> None:
    app = make_app(f"sqlite:///file:{tmp_path / 'missing' / 'chat.sqlite3'}?uri=true")
    with_store(app, *shared_models(app))
    (found,) = problems(app)
    assert found.code == "database_unreachable"
    assert found.problem.startswith("The store's database cannot be asked: ")
    assert "unable to open database file" in found.problem


@pytest.mark.parametrize("other", [False, True])
def test_a_store_whose_database_is_not_the_applications_is_a_problem_at_start_already(
    other: bool,  # noqa: FBT001 - a case
    caplog: pytest.LogCaptureFixture,
) -> None:
    app, elsewhere = make_app("sqlite://"), make_app("sqlite://")
    with_store(app, *shared_models(elsewhere))
    if other:
        SQLAlchemy(app)
    (found,) = problems(app)
    assert found.code == "store_without_database"
    assert found in find_certain(app, gateway_of(app))
    assert app.test_client().get("/").text == "served"
    assert caplog.messages == [f"chat: {found}"]
