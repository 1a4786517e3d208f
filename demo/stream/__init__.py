"""Predictive maintenance on generated signals: sensors, a bus, a worker, alerts, and a live view."""
