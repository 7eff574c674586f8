"""Workers are killed and Redis is restarted under hundreds of clients, while every message is accounted for."""
