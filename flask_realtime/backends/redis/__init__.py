"""What servers share, kept in Redis."""
