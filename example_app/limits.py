"""Rate limits on costly and security-relevant requests: log-ins, registrations, refreshed tokens, participants, notifications.

Each allowance is one row that all workers share: the time at which it will be full again (the generic cell rate algorithm).
A refused request rolls its transaction back, so that retrying never prolongs the wait.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from time import time

from flask import request
from sqlalchemy import case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from example_app.extensions import db
from example_app.models import Allowance
from flask_realtime.errors import RateLimited
from flask_realtime.rates import Rate, parse_rate

ROWS_DELETED_AT_ONCE = 100

# Floating-point sums are inexact, and a burst is to be allowed in full.
SLACK_SECONDS = 0.001


@dataclass(frozen=True)
class Limit:
    """A rate limit for one subject, such as a user.

    Args:
        name: The limited action; part of the row's key.
        rate: The rate.
        message: The error message of a refusal.
    """

    name: str
    rate: Rate
    message: str


LOG_INS = "Too many attempts to log in; try again later"

# An address may fail less often than an account allows attempts, so that no single address can lock a user out.
FAILED_LOG_INS_OF_ADDRESS = Limit("failed-log-ins/address", parse_rate("5/minute, burst 10"), LOG_INS)
LOG_INS_OF_ADDRESS = Limit("log-ins/address", parse_rate("60/minute, burst 120"), LOG_INS)
LOG_INS_OF_ACCOUNT = Limit("log-ins/account", parse_rate("20/minute, burst 30"), LOG_INS)
SESSIONS_OF_USER = Limit("sessions/user", parse_rate("60/hour, burst 60"), "You have logged in too often; try again later")
REFRESHES_OF_USER = Limit("refreshes/user", parse_rate("30/minute, burst 60"), "Too many refreshed tokens; try again later")
REGISTRATIONS_OF_ADDRESS = Limit("registrations/address", parse_rate("20/hour, burst 10"), "Too many users; try again later")
PARTICIPANTS_OF_USER = Limit("participants/user", parse_rate("200/hour"), "You have added too many participants; try again later")
NOTIFICATIONS_OF_USER = Limit(
    "notifications/user", parse_rate("60/hour, burst 60"), "Too many notifications to yourself; try again later"
)


def take(limit: Limit, subject: str, amount: int = 1) -> None:
    """Take from an allowance, in the current transaction.

    Args:
        limit: The limit.
        subject: The owner of the allowance.
        amount: How much to take, at most the limit's burst.

    Raises:
        RateLimited: Not enough is left.
    """
    now, interval = time(), limit.rate.interval
    latest = now + limit.rate.ahead - (amount - 1) * interval + SLACK_SECONDS
    key = _key(limit, subject)
    taken = _insert()(Allowance).values(key=key, full_at=now + amount * interval)
    taken = taken.on_conflict_do_update(
        index_elements=[Allowance.key],
        set_={"full_at": case((Allowance.full_at > now, Allowance.full_at), else_=now) + amount * interval},
        where=Allowance.full_at <= latest,
    )
    if db.session.scalars(taken.returning(Allowance.key)).first() is None:
        full_at = db.session.scalars(select(Allowance.full_at).where(Allowance.key == key)).first() or latest
        raise RateLimited(limit.message, retry_after=round(max(full_at - latest, 0) + SLACK_SECONDS, 3))


def give_back(limit: Limit, subject: str) -> None:
    """Give back what one `take` took, because it turned out not to count."""
    given = update(Allowance).where(Allowance.key == _key(limit, subject)).values(full_at=Allowance.full_at - limit.rate.interval)
    db.session.execute(given.execution_options(synchronize_session=False))


def forget_full_allowances() -> None:
    """Delete allowances that are full again, in a batch small enough not to delay the request."""
    full = select(Allowance.key).where(Allowance.full_at < time()).order_by(Allowance.full_at).limit(ROWS_DELETED_AT_ONCE)
    deleted = delete(Allowance).where(Allowance.key.in_(full.with_for_update(skip_locked=True)))
    db.session.execute(deleted.execution_options(synchronize_session=False))


def client_network() -> str:
    """Return the network of one subscriber: the request's IPv4 address, or the /64 of its IPv6 one.

    Behind a proxy, that is the proxy's address unless `ProxyFix` is set up.
    """
    text = (request.remote_addr or "").partition("%")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return text
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
    return text


def _key(limit: Limit, subject: str) -> str:
    # Hashed: people type passwords into the name field, and the key's length is limited.
    return hashlib.sha256(f"{limit.name}\n{subject}".encode()).hexdigest()


def _insert() -> type[postgresql.Insert | sqlite.Insert]:
    return postgresql.Insert if db.session.get_bind().dialect.name == "postgresql" else sqlite.Insert
