"""Backend in Redis: presence, conversations and the bus."""
