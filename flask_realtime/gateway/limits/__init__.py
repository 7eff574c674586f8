"""Limits of connections, users and addresses, including those on log lines."""
