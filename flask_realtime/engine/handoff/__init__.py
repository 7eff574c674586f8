"""Hands requests to the worker that has their session, together with their connections."""
