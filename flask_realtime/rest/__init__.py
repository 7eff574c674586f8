"""REST: the routes of features as a Flask blueprint, from the handlers that answer events."""

from flask_realtime.rest.blueprint import Authenticate, RestBlueprint, rest_blueprint

__all__ = ["Authenticate", "RestBlueprint", "rest_blueprint"]
