"""Hands a request to the worker that has its session, together with its connection."""
