"""Shared parts of the features' stores: the base of their models, column types, transactions.

A feature keeps its own models in `models.py` and its operations in `store.py`, which import this; `flask_realtime.store` combines
them in one store. Nothing that serves imports any of it, so that an application without a database loads no SQLAlchemy.
"""
