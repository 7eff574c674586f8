"""Access and refresh tokens: issuing, refusing and revoking them.

The extension calls the same loaders for each connection, so a token that is refused here opens no connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any, cast

from flask import Response, abort
from flask_jwt_extended import (
    create_access_token,
    create_refresh_token,
    decode_token,
    get_current_user,
    verify_jwt_in_request,
)
from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import aliased

from example_app.errors import error_response
from example_app.extensions import db, jwt, realtime
from example_app.limits import ROWS_DELETED_AT_ONCE
from example_app.models import LoginToken, User, find_user
from flask_realtime.store import utc_now

Claims = Mapping[str, Any]

SESSION = "session"


def require_access_token() -> None:
    """Refuse a request without a valid access token; for a blueprint's `before_request`."""
    verify_jwt_in_request()


def signed_in_user() -> User:
    """Return the user of the request's token."""
    return cast("User", get_current_user())


def signed_in_user_id() -> str:
    """Return the user id in the request's token."""
    return str(signed_in_user().id)


def require_administrator() -> None:
    """Refuse requests of users who are not administrators."""
    if not signed_in_user().is_administrator:
        abort(HTTPStatus.FORBIDDEN, "Only an administrator may do this")


def open_session(user_id: str) -> tuple[str, str]:
    """Start a log-in session.

    Returns:
        An access token and the refresh token.
    """
    refresh_token = create_refresh_token(user_id)
    claims = decode_token(refresh_token)
    _record(claims)
    return issue_access_token(user_id, claims), refresh_token


def issue_access_token(user_id: str, refresh_claims: Claims) -> str:
    """Issue an access token in the session of a refresh token."""
    access_token: str = create_access_token(user_id, additional_claims={SESSION: refresh_claims["jti"]})
    _record(decode_token(access_token))
    _forget_expired()
    db.session.commit()
    return access_token


def close_session(claims: Claims) -> Sequence[str]:
    """Revoke all tokens of the session that a token belongs to.

    Returns:
        Their ids; the connections opened with them should end.
    """
    revoked = db.session.scalars(
        update(LoginToken).where(LoginToken.session_id == _session_id(claims)).values(revoked=True).returning(LoginToken.jti)
    ).all()
    if claims["jti"] not in revoked:
        # Issued by another program that shares the key.
        _record(claims, revoked=True)
    db.session.commit()
    return [*revoked, claims["jti"]]


def _forget_expired() -> None:
    """Delete expired tokens: more than one call adds, and few enough not to delay the request."""
    expired = select(LoginToken.jti).where(LoginToken.expires_at < utc_now()).order_by(LoginToken.expires_at)
    some = expired.limit(ROWS_DELETED_AT_ONCE).with_for_update(skip_locked=True)
    db.session.execute(delete(LoginToken).where(LoginToken.jti.in_(some)).execution_options(synchronize_session=False))


def _record(claims: Claims, *, revoked: bool = False) -> None:
    expires_at = datetime.fromtimestamp(claims["exp"], timezone.utc)
    token = LoginToken(jti=claims["jti"], session_id=_session_id(claims), expires_at=expires_at, revoked=revoked)
    db.session.add(token)


def _session_id(claims: Claims) -> str:
    return str(claims.get(SESSION, claims["jti"]))


@jwt.token_in_blocklist_loader
def _is_revoked(_header: Claims, claims: Claims) -> bool:
    # The session is checked too: an access token may be issued while its session is being closed.
    asked = (claims["jti"], _session_id(claims))
    revoked = select(LoginToken.jti).where(LoginToken.jti.in_(asked), LoginToken.revoked)
    return db.session.scalars(revoked).first() is not None


@realtime.revoked_tokens
def _are_revoked(token_ids: Sequence[str]) -> Sequence[str]:
    """Return those tokens of connected clients that have been revoked, or belong to a closed session."""
    session = aliased(LoginToken)
    revoked = (
        select(LoginToken.jti)
        .outerjoin(session, session.jti == LoginToken.session_id)
        .where(LoginToken.jti.in_(token_ids), or_(LoginToken.revoked, session.revoked))
    )
    return db.session.scalars(revoked).all()


@jwt.user_lookup_loader
def _look_up_user(_header: Claims, claims: Claims) -> User | None:
    return find_user(str(claims["sub"]))


@jwt.unauthorized_loader
def _missing(reason: str) -> Response:
    return error_response(HTTPStatus.UNAUTHORIZED, reason)


@jwt.invalid_token_loader
def _invalid(reason: str) -> Response:
    return error_response(HTTPStatus.UNAUTHORIZED, reason)


@jwt.expired_token_loader
def _expired(_header: Claims, _claims: Claims) -> Response:
    return error_response(HTTPStatus.UNAUTHORIZED, "The token has expired")


@jwt.revoked_token_loader
def _revoked(_header: Claims, _claims: Claims) -> Response:
    return error_response(HTTPStatus.UNAUTHORIZED, "The token has been revoked")


@jwt.user_lookup_error_loader
def _user_is_gone(_header: Claims, _claims: Claims) -> Response:
    return error_response(HTTPStatus.UNAUTHORIZED, "The token's user does not exist")


@jwt.needs_fresh_token_loader
def _not_fresh(_header: Claims, _claims: Claims) -> Response:
    return error_response(HTTPStatus.UNAUTHORIZED, "A fresh token is required: log in again")


@jwt.token_verification_failed_loader
def _not_verified(_header: Claims, _claims: Claims) -> Response:
    return error_response(HTTPStatus.UNAUTHORIZED, "The token's claims are not accepted")
