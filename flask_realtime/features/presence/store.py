"""Stores what users set of their presence in the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Row, select, text, update

from flask_realtime.database.columns import utc_now
from flask_realtime.database.inserts import insert_into
from flask_realtime.database.sessions import committing
from flask_realtime.errors import BadRequest, ConfigError, NotFound
from flask_realtime.feature.hook import Hook
from flask_realtime.features.presence.announced_presence import AnnouncedPresence
from flask_realtime.features.presence.events import PresenceOfUser, set_presence
from flask_realtime.features.presence.hooks import SETTINGS_PLACE
from flask_realtime.features.presence.models import EXCEPTIONS, UserPresenceMixin
from flask_realtime.features.presence.settings import PLAIN, Edit, PresenceSettings, SetState, Settled

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class _Hooks(Protocol):
    """The extension object, as far as presence needs it."""

    def hook(self, hook: Hook) -> Callable[[FunctionT], FunctionT]:
        """Register a function for a hook."""


class PresenceStore:
    """The presence of one application's users: what they have set, and what others see.

    Args:
        db: The application's Flask-SQLAlchemy object.
        user_presence: The model.
    """

    def __init__(self, db: SQLAlchemy, user_presence: type[UserPresenceMixin]) -> None:
        self._table = _PresenceTable(db, user_presence)
        self._get_state: Callable[[], AnnouncedPresence] = _unregistered

    def register(self, hooks: _Hooks, get_state: Callable[[], AnnouncedPresence]) -> None:
        """Keep presence in the database.

        Args:
            hooks: The extension object.
            get_state: Returns the feature's state in the current application.
        """
        self._get_state = get_state
        hooks.hook(SETTINGS_PLACE)(lambda: self._table)

    def get(self, user_ids: Iterable[str]) -> list[PresenceOfUser]:
        """Return users' presence as others see it, in the order given; as `Realtime.get_presence`."""
        return self._get_state().presence_of(list(user_ids))

    def set(self, user_id: str, state: SetState, text: str | None = None, until: datetime | None = None) -> None:
        """Set a user's state, commit, and tell those who may know; as `Realtime.set_presence`.

        Args:
            user_id: The user.
            state: The state: online, away, busy or invisible.
            text: A line of at most 100 characters that goes with it.
            until: When the user is plain online again, with its time zone; None for never.

        Raises:
            ValueError: The state, the text or the time is invalid.
            NotFound: There is no such user; raised only where user ids refer to a users table.
        """
        try:
            wanted = set_presence(state, text, until)
        except BadRequest as error:
            raise ValueError(str(error)) from None
        self._get_state().set_state(user_id, wanted)


@dataclass(frozen=True)
class PrivacyRecord:
    """The privacy of one user.

    Args:
        send_typing: Whether they hear that the user types.
        send_receipts: Whether they hear, and see, what the user has got and read.
    """

    send_typing: bool
    send_receipts: bool


class PrivacyStore:
    """The privacy of one application's users, in the rows of their presence: what others hear of them.

    Args:
        db: The application's Flask-SQLAlchemy object.
        user_presence: The model.
    """

    def __init__(self, db: SQLAlchemy, user_presence: type[UserPresenceMixin]) -> None:
        self._table = _PresenceTable(db, user_presence)
        self._get_state: Callable[[], AnnouncedPresence] = _unregistered

    def register(self, get_state: Callable[[], AnnouncedPresence]) -> None:
        """Let changes reach all servers.

        Args:
            get_state: Returns the feature's state in the current application.
        """
        self._get_state = get_state

    def get(self, user_id: str) -> PrivacyRecord:
        """Return what a user lets others hear."""
        return _privacy(self._table.settings(user_id))

    def set(self, user_id: str, *, send_typing: bool | None = None, send_receipts: bool | None = None) -> PrivacyRecord:
        """Set what others hear of a user, commit, and tell all servers.

        Args:
            user_id: The user.
            send_typing: Whether others hear that the user types; None leaves it as it is.
            send_receipts: Whether others hear, and see, what the user has got and read; None leaves it as it is.

        Raises:
            NotFound: There is no such user; raised only where user ids refer to a users table.
        """
        return _privacy(self._get_state().set_privacy(user_id, send_typing=send_typing, send_receipts=send_receipts))


class _PresenceTable:
    """The table, as the place of settings."""

    def __init__(self, db: SQLAlchemy, model: type[UserPresenceMixin]) -> None:
        self._db = db
        self._model = model
        self._fields = (model.state, model.text, model.until, model.sends_typing, model.sends_receipts, model.version)

    def exceptions(self) -> Iterable[tuple[str, PresenceSettings]]:
        """Return the users who are not plain online, or keep something to themselves, with their settings."""
        rows = self._db.session.execute(select(self._model.user_id, *self._fields).where(text(EXCEPTIONS)))
        return [(user_id, _settings(fields)) for user_id, *fields in rows]

    def settings(self, user_id: str) -> PresenceSettings:
        """Return a user's settings."""
        row = self._db.session.execute(select(*self._fields).where(self._model.user_id == user_id)).one_or_none()
        return PLAIN if row is None else _settings(row)

    def last_seen(self, user_ids: Sequence[str]) -> Mapping[str, datetime]:
        """Map users to when others last saw them go offline."""
        model = self._model
        query = select(model.user_id, model.last_seen_at).where(model.user_id.in_(user_ids), model.last_seen_at.is_not(None))
        return {user_id: moment for user_id, moment in self._db.session.execute(query) if moment is not None}

    def change(self, user_id: str, edit: Edit) -> Settled:
        """Change a user's settings, and commit."""
        model = self._model
        with committing(self._db):
            before = self._lock(user_id)
            after = replace(edit(before), version=before.version + 1)
            values = {
                "state": after.state,
                "text": after.text,
                "until": after.until,
                "sends_typing": after.sends_typing,
                "sends_receipts": after.sends_receipts,
            }
            self._execute(update(model).where(model.user_id == user_id).values(values))
        return Settled(before, after)

    def _lock(self, user_id: str) -> PresenceSettings:
        """Count a change of a user, which locks the row until the commit, and return the settings before it."""
        model = self._model
        added = insert_into(self._db, model).values(user_id=user_id, created_at=utc_now(), version=1)
        counted = added.on_conflict_do_update(index_elements=[model.user_id], set_={"version": model.version + 1})
        row = self._db.session.execute(counted.returning(*self._fields)).one_or_none()
        if row is None:
            raise NotFound
        counted_settings = _settings(row)
        return replace(counted_settings, version=counted_settings.version - 1)

    def seen(self, times: Mapping[str, datetime]) -> None:
        """Record when users were last seen, and commit; users who do not exist any more are left out."""
        try:
            self._add_seen(times)
        except NotFound:
            for user_id, moment in times.items():
                self._add_seen_if_known(user_id, moment)

    def _add_seen_if_known(self, user_id: str, moment: datetime) -> None:
        try:
            self._add_seen({user_id: moment})
        except NotFound:
            return

    def _add_seen(self, times: Mapping[str, datetime]) -> None:
        model = self._model
        rows = [{"user_id": user_id, "created_at": moment, "last_seen_at": moment} for user_id, moment in sorted(times.items())]
        added = insert_into(self._db, model).values(rows)
        is_later = model.last_seen_at.is_(None) | (model.last_seen_at < added.excluded.last_seen_at)
        newer = added.on_conflict_do_update(
            index_elements=[model.user_id], set_={"last_seen_at": added.excluded.last_seen_at}, where=is_later
        )
        with committing(self._db):
            self._execute(newer)

    def _execute(self, statement: Any) -> None:
        self._db.session.execute(statement.execution_options(synchronize_session=False))


def _settings(row: Row[Any] | Sequence[Any]) -> PresenceSettings:
    state, *rest = row
    return PresenceSettings(cast("SetState", state), *rest)


def _privacy(settings: PresenceSettings) -> PrivacyRecord:
    return PrivacyRecord(settings.sends_typing, settings.sends_receipts)


def _unregistered() -> AnnouncedPresence:
    msg = "The servers are told of what users set: call store.register(realtime) before anything is set."
    raise ConfigError(msg)
