"""Event scoring: workers that take events from a bus, score them and write them to a sink."""
