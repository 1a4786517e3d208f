"""``sklearn.neighbors``: NearestCentroid."""

from __future__ import annotations

from ..sklearn_nearest_centroid import convert_nearest_centroid

PREDICTORS = {"NearestCentroid": convert_nearest_centroid}
