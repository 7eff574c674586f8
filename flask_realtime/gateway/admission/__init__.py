"""Admits connections, refuses them, and closes them."""
