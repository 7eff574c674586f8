"""From an event to its receivers: rooms, encoding, and the other servers."""
