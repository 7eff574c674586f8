"""Authentication: the identity of a connection, and its expiry."""

from flask_realtime.features.authentication.api import AuthenticationCalls
from flask_realtime.features.authentication.events import AUTH_REFRESH
from flask_realtime.features.authentication.feature import authentication
from flask_realtime.features.authentication.hooks import AUTHENTICATE, AuthenticationHooks
from flask_realtime.features.authentication.tokens import EXTENSION

__all__ = ["AUTHENTICATE", "AUTH_REFRESH", "EXTENSION", "AuthenticationCalls", "AuthenticationHooks", "authentication"]
