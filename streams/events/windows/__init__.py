"""Features over windows of event time: read from the scoring query, each event's scored once."""
