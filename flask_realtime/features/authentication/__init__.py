"""Authentication: whom a connection speaks for, and until when."""

from flask_realtime.features.authentication.api import AuthenticationCalls
from flask_realtime.features.authentication.feature import authentication
from flask_realtime.features.authentication.hooks import AuthenticationHooks
from flask_realtime.features.authentication.tokens import EXTENSION
from flask_realtime.features.authentication.verification import authenticate

__all__ = ["EXTENSION", "AuthenticationCalls", "AuthenticationHooks", "authenticate", "authentication"]
