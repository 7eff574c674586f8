"""The example application with access tokens that end after a few seconds."""

from datetime import timedelta

from flask import Flask

from example_app import create_app as create_example


def create_app() -> Flask:
    """Make the application."""
    return create_example({"JWT_ACCESS_TOKEN_EXPIRES": timedelta(seconds=4)})
