"""Models as functions of Spark SQL: Arrow functions, whose bundle each executor gets once."""

from .registration import Packed, SparkRegistration, make_functions, register_bundle, ship_bundle

__all__ = ["Packed", "SparkRegistration", "make_functions", "register_bundle", "ship_bundle"]
