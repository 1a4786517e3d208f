"""Endpoints: scoring queries that are served by name."""
