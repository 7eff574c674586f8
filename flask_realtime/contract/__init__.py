"""Wire format, defined only here: events, payloads, ids, room names and JSON."""
