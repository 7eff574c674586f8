"""Readings of one server when somebody asks, and those of the others on its machine."""
