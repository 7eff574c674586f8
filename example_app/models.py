"""The tables: users, tokens and orders are the example's own, the rest is the extension's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Double, ForeignKey, Index, String, func, select
from sqlalchemy.orm import Mapped, mapped_column

from example_app.extensions import Base, db
from flask_realtime.store import IntegerKey, IntegerUserId, Store, UtcDateTime, define_models, parse_row_id, utc_now

MAX_USERNAME_LENGTH = 64
MAX_STATUS_LENGTH = 64
JTI_LENGTH = 36
KEY_LENGTH = 64


class User(Base):
    """A user who can log in."""

    __tablename__ = "users"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(IntegerKey, primary_key=True)
    username: Mapped[str] = mapped_column(String(MAX_USERNAME_LENGTH))
    password_hash: Mapped[str] = mapped_column(String(255))
    is_administrator: Mapped[bool] = mapped_column(default=False)


# Nobody can register as "Alice" beside "alice" and be mistaken for that user.
Index("uq_users_username", func.lower(User.username), unique=True)


class LoginToken(Base):
    """An issued token. Those of one log-in share a session, which is the id of its refresh token."""

    __tablename__ = "login_tokens"

    jti: Mapped[str] = mapped_column(String(JTI_LENGTH), primary_key=True)
    session_id: Mapped[str] = mapped_column(String(JTI_LENGTH), index=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    revoked: Mapped[bool] = mapped_column(default=False)


class Allowance(Base):
    """The remainder of a rate limit, stored as the time, in seconds of the epoch, at which it is full again."""

    __tablename__ = "allowances"

    key: Mapped[str] = mapped_column(String(KEY_LENGTH), primary_key=True)
    full_at: Mapped[float] = mapped_column(Double, index=True)


class HealthCheck(Base):
    """One row that health checks write to."""

    __tablename__ = "health_checks"

    id: Mapped[int] = mapped_column(IntegerKey, primary_key=True)
    checked_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Order(Base):
    """An order and its status."""

    __tablename__ = "orders"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(IntegerKey, primary_key=True)
    user_id: Mapped[str] = mapped_column(IntegerUserId, ForeignKey(User.id, ondelete="CASCADE"), index=True)
    status: Mapped[str] = mapped_column(String(MAX_STATUS_LENGTH))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


models = define_models(db, user_key="users.id", user_id_type=IntegerUserId(), log=True, search=True, analytics=True)
store = Store(db, models)


def find_user(user_id: str) -> User | None:
    """Return the user with an id, or None."""
    return find_users([user_id]).get(user_id)


def find_users(user_ids: Iterable[str]) -> dict[str, User]:
    """Map each id that belongs to a user to that user, in one query."""
    numbers = {number for number in map(parse_row_id, user_ids) if number is not None}
    users = db.session.scalars(select(User).where(User.id.in_(numbers)))
    return {str(user.id): user for user in users}


def find_user_by_name(username: str) -> User | None:
    """Return the user of a name, ignoring case, or None."""
    return db.session.scalars(select(User).where(func.lower(User.username) == func.lower(username))).one_or_none()
