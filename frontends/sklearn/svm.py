"""``sklearn.svm``: the linear machines."""

from __future__ import annotations

from .linear_model import convert_classifier, convert_regressor

PREDICTORS = {"LinearSVC": convert_classifier, "LinearSVR": convert_regressor}
