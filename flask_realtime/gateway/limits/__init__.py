"""Holds connections, users and addresses to their limits, those on log lines included."""
