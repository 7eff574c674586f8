"""Registering, logging in and out."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, abort
from flask_jwt_extended import get_jwt, verify_jwt_in_request
from sqlalchemy.exc import IntegrityError

from example_app.extensions import db, realtime
from example_app.limits import (
    FAILED_LOG_INS_OF_ADDRESS,
    LOG_INS_OF_ACCOUNT,
    LOG_INS_OF_ADDRESS,
    REFRESHES_OF_USER,
    REGISTRATIONS_OF_ADDRESS,
    SESSIONS_OF_USER,
    client_network,
    forget_full_allowances,
    give_back,
    take,
)
from example_app.models import User, find_user_by_name
from example_app.passwords import hash_password, is_password
from example_app.schemas import Credentials, Registration, read_body
from example_app.serializers import Json, user_json
from example_app.tokens import close_session, issue_access_token, open_session, signed_in_user_id

auth = Blueprint("auth", __name__, url_prefix="/api/auth")


@auth.post("/register")
def register() -> tuple[Json, HTTPStatus]:
    """Create a user."""
    body = read_body(Registration)
    take(REGISTRATIONS_OF_ADDRESS, client_network())
    _commit_before_hashing()
    user = User(username=body.username, password_hash=hash_password(body.password))
    db.session.add(user)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        abort(HTTPStatus.CONFLICT, "The username is taken")
    return user_json(user), HTTPStatus.CREATED


@auth.post("/login")
def login() -> Json:
    """Exchange name and password for tokens."""
    body = read_body(Credentials)
    user = find_user_by_name(body.username)
    address = client_network()
    take(LOG_INS_OF_ADDRESS, address)
    take(FAILED_LOG_INS_OF_ADDRESS, address)
    # Unknown names are limited like any other, so that a refusal does not reveal which names exist.
    take(LOG_INS_OF_ACCOUNT, f"user {user.id}" if user else f"name {body.username.lower()}")
    _commit_before_hashing()
    if not is_password(body.password, user.password_hash if user else None) or user is None:
        abort(HTTPStatus.UNAUTHORIZED, "The username or the password is wrong")
    give_back(FAILED_LOG_INS_OF_ADDRESS, address)
    take(SESSIONS_OF_USER, str(user.id))
    access_token, refresh_token = open_session(str(user.id))
    return {"accessToken": access_token, "refreshToken": refresh_token, "user": user_json(user)}


@auth.post("/refresh")
def refresh() -> Json:
    """Exchange the refresh token for an access token."""
    verify_jwt_in_request(refresh=True)
    take(REFRESHES_OF_USER, signed_in_user_id())
    return {"accessToken": issue_access_token(signed_in_user_id(), get_jwt())}


@auth.post("/logout")
def logout() -> tuple[str, HTTPStatus]:
    """Revoke the tokens of this log-in and end the connections opened with them."""
    verify_jwt_in_request()
    for jti in close_session(get_jwt()):
        realtime.disconnect_token(jti)
    return "", HTTPStatus.NO_CONTENT


def _commit_before_hashing() -> None:
    """Count the attempt before hashing, so that concurrent attempts count too; hashing holds no database connection."""
    forget_full_allowances()
    db.session.commit()
