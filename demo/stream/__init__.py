"""Predictive maintenance on generated signals: sensors, a bus, a worker, alerts, a live view."""

from .run import run_stream_demo

__all__ = ["run_stream_demo"]
