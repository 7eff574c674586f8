"""What goes over the wire, and only here: events, payloads, ids, room names and JSON."""
