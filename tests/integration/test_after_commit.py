"""Events that wait for the commit of `db.session`."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import flask_realtime
from flask_realtime import Emit, Feature, Realtime
from flask_realtime.errors import ConfigError, PayloadNotSerializable
from flask_realtime.testing import CapturedEvent, capture_events
from tests.integration.conftest import KEY, Connect, MakeApp
from tests.integration.example_support import on_sqlite

WAITING = "flask_realtime.gateway.delivery.after_commit"


class Base(DeclarativeBase):
    """The base of this file's models."""


class Note(Base):
    """A row that a test writes."""

    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)


class World(NamedTuple):
    """An application with a database, and the events that it has sent."""

    app: Flask
    db: SQLAlchemy
    realtime: Realtime
    sent: list[CapturedEvent]

    @property
    def names(self) -> list[str]:
        return [captured.event for captured in self.sent]

    def write(self) -> None:
        self.db.session.add(Note())

    def wave(self, name: str, *args: Any, **options: Any) -> bool:
        return self.realtime.broadcast_to_all(name, *args, after_commit=True, **options)


@pytest.fixture
def make(database_url: str) -> Iterator[Callable[..., World]]:
    made: list[tuple[Flask, SQLAlchemy]] = []

    def make(**config: Any) -> World:
        app = Flask(__name__)
        app.config.update(JWT_SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI=database_url, REALTIME_ASYNC_MODE="threading", **config)
        JWTManager(app)
        db = SQLAlchemy(app, model_class=Base)
        made.append((app, db))
        with app.app_context():
            Base.metadata.create_all(db.engine)
        return World(app, db, Realtime(app), [])

    yield make
    for app, db in made:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def world(make: Callable[..., World]) -> Iterator[World]:
    made = make()
    with made.app.app_context(), capture_events(made.app) as sent:
        yield made._replace(sent=sent)


def test_an_event_is_sent_when_the_transaction_commits_in_the_order_called(world: World) -> None:
    world.write()
    assert world.wave("first") is True
    world.db.session.flush()
    world.wave("second")
    assert world.names == []
    world.realtime.broadcast_to_all("at once")
    world.db.session.commit()
    assert world.names == ["at once", "first", "second"]
    world.write()
    world.db.session.commit()
    assert world.names == ["at once", "first", "second"], "each is sent once"


def test_an_event_of_a_transaction_that_is_rolled_back_is_never_sent(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.write()
    world.wave("gone")
    world.db.session.rollback()
    world.write()
    world.wave("kept")
    world.db.session.commit()
    assert world.names == ["kept"]
    assert caplog.records == [], "whoever rolls back knows"


def test_a_commit_that_fails_sends_nothing(world: World) -> None:
    world.db.session.add(Note(id=7))
    world.db.session.commit()
    world.db.session.add(Note(id=7))
    world.wave("gone")
    with pytest.raises(IntegrityError):
        world.db.session.commit()
    world.wave("of the failed transaction, which has yet to be rolled back")
    world.db.session.rollback()
    world.write()
    world.wave("kept")
    world.db.session.commit()
    assert world.names == ["kept"]


def test_each_call_that_sends_can_wait(world: World) -> None:
    realtime, later = world.realtime, {"after_commit": True}
    world.write()
    answers = [
        realtime.emit_new_message("1", {}, **later),
        realtime.emit_message_read("1", ["2"], **later),
        realtime.emit_message_deleted("1", "2", **later),
        realtime.emit_notification_to_user("ann", {}, **later),
        realtime.emit_order_update("ann", {}, **later),
        realtime.send_to_user("ann", "to user", **later),
        realtime.send_to_conversation("1", "to conversation", **later),
        realtime.emit(Emit("own", (), None), **later),
        flask_realtime.broadcast_to_all("of the package", **later),
    ]
    assert (answers, world.sent) == ([True] * 9, [])
    world.db.session.commit()
    assert world.names == [
        "message:new",
        "messages:read",
        "message:deleted",
        "notification:new",
        "order:update",
        "to user",
        "to conversation",
        "own",
        "of the package",
    ]


def test_savepoints_keep_or_drop_what_was_called_inside_them(world: World) -> None:
    session = world.db.session
    world.write()
    world.wave("outside")
    with session.begin_nested():
        world.wave("kept")
        inner = session.begin_nested()
        world.wave("gone")
        inner.rollback()
        with session.begin_nested():
            world.wave("kept, two levels down")
        world.wave("kept too")
    around = session.begin_nested()
    with session.begin_nested():
        world.wave("gone with the one around it")
    around.rollback()
    world.wave("last")
    assert world.names == [], "releasing a savepoint commits nothing"
    session.commit()
    assert world.names == ["outside", "kept", "kept, two levels down", "kept too", "last"]


def test_a_savepoint_in_which_a_write_failed_drops_what_was_called_inside_it(world: World) -> None:
    session = world.db.session
    session.add(Note(id=7))
    session.commit()
    world.write()
    session.flush()
    savepoint = session.begin_nested()
    world.wave("gone")
    session.add(Note(id=7))
    with pytest.raises(IntegrityError):
        session.flush()
    world.wave("gone too, since this is still inside")
    savepoint.rollback()
    world.wave("kept")
    session.commit()
    assert world.names == ["kept"]


def test_a_rollback_of_the_transaction_drops_what_was_called_in_open_savepoints(world: World) -> None:
    session = world.db.session()
    transaction = session.begin()
    session.begin_nested()
    session.begin_nested()
    world.wave("gone")
    transaction.rollback()
    world.write()
    session.commit()
    assert world.names == []


def test_a_commit_with_open_savepoints_commits_them_too(world: World) -> None:
    session = world.db.session
    world.write()
    world.wave("outside")
    session.begin_nested()
    world.wave("inside")
    session.commit()
    assert world.names == ["outside", "inside"]


def test_what_is_called_in_a_flush_or_as_the_transaction_commits_goes_with_it(world: World) -> None:
    factory = world.db.session.session_factory
    event.listen(factory, "after_flush", lambda _session, _context: world.wave("flushing"))
    event.listen(factory, "before_commit", lambda _session: world.wave("committing"))
    event.listen(factory, "after_commit", lambda _session: world.wave("committed"))
    with world.db.session.begin():
        world.write()
    assert world.names == ["committing", "flushing", "committed"]
    with world.db.session.begin():
        savepoint = world.db.session.begin_nested()
        world.write()
        world.db.session.flush()
        savepoint.rollback()
    assert world.names[3:] == ["committing", "committed"]


def test_without_a_transaction_an_event_is_sent_at_once(world: World) -> None:
    assert world.wave("nothing has begun") is True
    assert world.names == ["nothing has begun"]
    world.write()
    world.db.session.commit()
    world.wave("committed")
    assert world.names == ["nothing has begun", "committed"]
    world.db.session.begin()
    world.wave("begun")
    assert len(world.names) == 2
    world.db.session.commit()
    assert world.names[2:] == ["begun"]


def test_without_an_application_context_an_event_is_sent_at_once(make: Callable[..., World]) -> None:
    world = make()
    with capture_events(world.app) as sent:
        assert world.wave("no session") is True
    assert [captured.event for captured in sent] == ["no session"]


def test_the_commit_of_another_session_sends_nothing(world: World) -> None:
    world.write()
    world.wave("of this session")
    with world.app.app_context():
        world.db.session.scalar(select(func.count()).select_from(Note))
        world.wave("of the other context's")
        world.db.session.commit()
    assert world.names == ["of the other context's"]
    with Session(world.db.engine) as session, session.begin():
        session.scalar(select(func.count()).select_from(Note))
    assert world.names == ["of the other context's"]
    world.db.session.commit()
    assert world.names == ["of the other context's", "of this session"]


@pytest.mark.parametrize("end", [lambda session: session.remove(), lambda session: session.close()])
def test_a_session_that_ends_without_a_commit_sends_nothing_and_the_log_says_so(
    world: World, caplog: pytest.LogCaptureFixture, end: Callable[[Any], None]
) -> None:
    world.write()
    world.wave("lost")
    world.db.session.begin_nested()
    world.wave("lost too")
    world.wave("lost")
    end(world.db.session)
    world.write()
    world.db.session.commit()
    assert world.names == []
    (record,) = caplog.records
    assert (record.name, record.levelno) == (WAITING, logging.WARNING)
    assert "closed without a commit: lost, lost too." in record.getMessage()


def test_a_context_that_ends_without_a_commit_sends_nothing(make: Callable[..., World], caplog: pytest.LogCaptureFixture) -> None:
    world = make()
    with capture_events(world.app) as sent:
        with world.app.app_context():
            world.write()
            world.wave("lost")
        with world.app.app_context():
            world.write()
            world.db.session.commit()
    assert sent == []
    assert "lost" in caplog.text


def test_the_payload_is_that_of_the_call(world: World, connect: Connect) -> None:
    payload: dict[str, Any] = {"number": 1, "list": [1]}
    with connect(world.app, "ann") as ann:
        world.write()
        world.wave("news", payload, b"\x00\x01")
        payload["number"] = 2
        payload["list"].append(2)
        world.db.session.commit()
        assert ann.wait_for("news").args == ({"number": 1, "list": [1]}, b"\x00\x01")
    assert next(captured for captured in world.sent if captured.event == "news").args == ({"number": 1, "list": [1]}, b"\x00\x01")


def test_a_payload_that_cannot_be_sent_is_an_error_where_it_was_called(world: World) -> None:
    world.write()
    with pytest.raises(PayloadNotSerializable, match=r"payload\.at: object"):
        world.wave("news", {"at": object()})
    world.db.session.commit()
    assert world.names == []


def test_the_sender_of_the_call_is_left_out(world: World, connect: Connect) -> None:
    @world.app.post("/wave")
    def wave() -> str:
        world.write()
        world.wave("wave", skip_sender=True)
        world.wave("done")
        world.db.session.commit()
        return ""

    with connect(world.app, "ann") as sender, connect(world.app, "ann") as other:
        world.app.test_client().post("/wave", headers={"X-Socket-ID": sender.id})
        other.wait_for("wave")
        sender.wait_for("done")
        assert [received.event for received in sender.received if received.event in {"wave", "done"}] == ["done"]


def test_what_receives_the_signal_may_use_the_session(world: World) -> None:
    counted: list[int | None] = []

    def count(_app: Flask, event: Emit) -> None:
        counted.append(world.db.session.scalar(select(func.count()).select_from(Note)))
        assert event.event == "news"

    world.write()
    world.wave("news")
    with flask_realtime.signals.event_sent.connected_to(count, sender=world.app):
        world.db.session.commit()
    assert counted == [1]


def test_an_event_that_cannot_be_sent_leaves_the_commit_and_the_other_events_as_they_are(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_app: Flask, event: Emit) -> None:
        if event.event == "first":
            raise ZeroDivisionError

    world.write()
    world.wave("first")
    world.wave("second")
    with flask_realtime.signals.event_sent.connected_to(fail, sender=world.app):
        world.db.session.commit()
    assert world.names[-1] == "second"
    assert "The event first could not be sent after the commit" in caplog.text
    assert world.db.session.scalar(select(func.count()).select_from(Note)) == 1


def test_an_application_can_make_it_the_default(make: Callable[..., World]) -> None:
    world = make(REALTIME_AFTER_COMMIT=True)
    with world.app.app_context(), capture_events(world.app) as sent:
        world.write()
        world.realtime.broadcast_to_all("waits")
        world.realtime.broadcast_to_all("at once", after_commit=False)
        assert [captured.event for captured in sent] == ["at once"]
        world.db.session.commit()
        assert [captured.event for captured in sent] == ["at once", "waits"]


def test_an_event_for_nobody_is_checked_and_goes_nowhere(world: World) -> None:
    nobody = Feature("waves", state=lambda _context: None).outgoing("news", dict, audience="", summary="")
    world.write()
    assert world.realtime.emit(nobody.to_users([], {}), after_commit=True)
    with pytest.raises(PayloadNotSerializable):
        world.realtime.emit(nobody.to_users([], {"at": object()}), after_commit=True)
    world.db.session.commit()
    assert world.names == []


@on_sqlite
def test_what_waited_reaches_the_other_servers_too(database_url: str, make_sharing: MakeApp, connect: Connect) -> None:
    app, other = make_sharing(SQLALCHEMY_DATABASE_URI=database_url), make_sharing()
    db = SQLAlchemy(app, model_class=Base)
    with connect(other, "ann") as ann, app.app_context():
        Base.metadata.create_all(db.engine)
        for end in (db.session.rollback, db.session.commit):
            db.session.add(Note())
            assert flask_realtime.send_to_user("ann", "news", end.__name__, after_commit=True) is True
            end()
        assert ann.wait_for("news").data == "commit"
        ann.assert_nothing("news")
        db.engine.dispose()


@on_sqlite
def test_sessions_leave_nothing_behind(world: World) -> None:
    def one_request() -> None:
        with world.app.app_context():
            world.write()
            world.wave("news")
            world.db.session.rollback()

    def listeners() -> int:
        gc.collect()
        return sum(type(item).__name__ == "WaitingEvents" for item in gc.get_objects())

    one_request()
    before = listeners()
    for _ in range(20):
        one_request()
    assert listeners() == before


@pytest.mark.parametrize("by_default", [True, False])
def test_an_application_without_a_database_is_told_what_to_do(by_default: bool) -> None:  # noqa: FBT001 - pytest passes it
    app = Flask("no_database")
    app.config.update(JWT_SECRET_KEY=KEY, REALTIME_ASYNC_MODE="threading", REALTIME_AFTER_COMMIT=by_default)
    JWTManager(app)
    realtime = Realtime(app)
    with app.app_context(), pytest.raises(ConfigError, match=r"'no_database'. Did you forget to call 'db.init_app'"):
        realtime.broadcast_to_all("news", after_commit=None if by_default else True)
    assert realtime.broadcast_to_all("news", after_commit=False)
