"""Admission: admits, refuses and closes connections."""
