"""Delivery of events to their receivers: rooms, encoding, and the other servers."""
