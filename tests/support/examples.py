"""One small fitted example of every estimator of every library: what the coverage page reports.

scikit-learn's come from its ``all_estimators()``, so one that is new in a release is on the page
with its update. What needs other arguments is in ``_made``, what needs other rows in ``FRAMES``,
and what cannot score a table at all, with the reason, in ``NO_TABLE``.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROWS = 240


@dataclass(frozen=True)
class Example:
    """An estimator, whether it ``predicts`` or ``transforms``, and a function that fits it."""

    library: str
    estimator: str
    role: str
    fit: Callable[[], tuple[Any, pd.DataFrame]]


def examples() -> list[Example]:
    """List an example of each estimator that takes a table and answers for new rows."""
    made = [*_of_lightgbm(), *_of_xgboost(), *_of_catboost()]
    return made + _sklearn_examples()


def sklearn_estimators() -> dict[str, type]:
    """Find all estimators of scikit-learn by name, the experimental ones too."""
    from sklearn.experimental import (
        enable_halving_search_cv,  # noqa: F401 - importing it makes them public
        enable_iterative_imputer,  # noqa: F401 - same
    )
    from sklearn.utils import all_estimators

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(all_estimators())


def numbers() -> pd.DataFrame:
    """Four columns between 0 and 1, of a few digits each."""
    values = np.random.default_rng(5).random((ROWS, 4)).round(4) + 0.01
    return pd.DataFrame(values, columns=["a", "b", "c", "d"])


def keys() -> pd.DataFrame:
    """Two columns of text."""
    rng = np.random.default_rng(6)
    return pd.DataFrame({"k": rng.choice(["x", "y", "z"], ROWS), "l": rng.choice(["p", "q"], ROWS)})


def counts() -> pd.DataFrame:
    """Three columns of small whole numbers."""
    return pd.DataFrame(np.random.default_rng(7).integers(0, 4, (ROWS, 3)), columns=["a", "b", "c"])


def gaps() -> pd.DataFrame:
    """Four columns, a tenth of their values missing."""
    return numbers().mask(np.random.default_rng(8).random((ROWS, 4)) < 0.1)


def one_column() -> pd.DataFrame:
    """The first of the columns of numbers."""
    return numbers()[["a"]]


def amounts(frame: pd.DataFrame) -> np.ndarray:
    """Make a positive target that depends on the rows."""
    codes = frame.apply(lambda x: x if x.dtype.kind in "fi" else pd.factorize(x)[0])
    whole = codes.fillna(0.5).to_numpy(float)
    return np.exp(whole @ np.arange(1, whole.shape[1] + 1) / 4) + 0.1


def classes(frame: pd.DataFrame, count: int = 3) -> np.ndarray:
    """Make classes with names."""
    edges = np.quantile(amounts(frame), np.arange(1, count) / count)
    return np.array(["high", "low", "middle"])[np.digitize(amounts(frame), edges)]


def pairs(frame: pd.DataFrame) -> np.ndarray:
    """Make two targets."""
    return np.column_stack([amounts(frame), amounts(frame)[::-1]])


def flags(frame: pd.DataFrame) -> np.ndarray:
    """Make two labels a row."""
    return (pairs(frame) > np.median(amounts(frame))).astype(int)


def two_classes(frame: pd.DataFrame) -> np.ndarray:
    """Make two classes with names."""
    return classes(frame, 2)


def half_known(frame: pd.DataFrame) -> np.ndarray:
    """Make classes of which a third is unknown, which the semi-supervised write as -1."""
    known = np.digitize(amounts(frame), np.quantile(amounts(frame), [0.4, 0.7]))
    return np.where(np.arange(len(frame)) % 3 == 0, -1, known)


NO_ANSWER = "it has no predict and no transform for new rows"
TEXT = "it reads documents or dictionaries, not columns"
TARGETS = "it transforms targets, not columns"
MATRIX = "it reads a matrix between rows, not columns"
NO_TABLE: Mapping[str, str] = {
    **dict.fromkeys(
        [
            *("AgglomerativeClustering", "DBSCAN", "HDBSCAN", "OPTICS", "SpectralBiclustering"),
            *("SpectralClustering", "SpectralCoclustering", "EmpiricalCovariance"),
            *("GraphicalLasso", "GraphicalLassoCV", "LedoitWolf", "MinCovDet", "OAS"),
            *("ShrunkCovariance", "ClassicalMDS", "MDS", "SpectralEmbedding", "TSNE"),
            *("KernelDensity", "NearestNeighbors"),
        ],
        NO_ANSWER,
    ),
    **dict.fromkeys(
        [
            *("CountVectorizer", "HashingVectorizer", "TfidfVectorizer", "TfidfTransformer"),
            *("DictVectorizer", "FeatureHasher", "PatchExtractor"),
        ],
        TEXT,
    ),
    **dict.fromkeys(["LabelBinarizer", "LabelEncoder", "MultiLabelBinarizer"], TARGETS),
    **dict.fromkeys(
        ["KernelCenterer", "KNeighborsTransformer", "RadiusNeighborsTransformer"], MATRIX
    ),
}
"""What is in ``all_estimators()`` and cannot score a table, with the reason."""

NOT_BOTH = frozenset(
    [
        *("GridSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV", "RandomizedSearchCV"),
        *("Pipeline", "RFE", "RFECV", "FrozenEstimator", "IsotonicRegression"),
    ]
)
"""What predicts and transforms in one way, or as the estimator inside it does."""
TWO_BLOCKS = frozenset(["CCA", "PLSCanonical", "PLSRegression", "PLSSVD"])
"""Their ``fit_transform`` gives two matrices, with which no pipeline works."""

FRAMES: Mapping[str, Callable[[], pd.DataFrame]] = {
    **dict.fromkeys(["OneHotEncoder", "OrdinalEncoder", "TargetEncoder"], keys),
    **dict.fromkeys(["CategoricalNB"], counts),
    **dict.fromkeys(["IterativeImputer", "KNNImputer", "MissingIndicator", "SimpleImputer"], gaps),
    "IsotonicRegression": one_column,
}
TARGETS_OF: Mapping[str, Callable[[pd.DataFrame], np.ndarray]] = {
    **dict.fromkeys(
        ["FixedThresholdClassifier", "TargetEncoder", "TunedThresholdClassifierCV"], two_classes
    ),
    **dict.fromkeys(
        [
            *("MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV"),
            *("MultiOutputRegressor", "RegressorChain", "CCA", "PLSCanonical", "PLSSVD"),
        ],
        pairs,
    ),
    **dict.fromkeys(["MultiOutputClassifier", "ClassifierChain"], flags),
    "NeighborhoodComponentsAnalysis": classes,
    **dict.fromkeys(["LabelPropagation", "LabelSpreading", "SelfTrainingClassifier"], half_known),
}


def _made() -> dict[str, Callable[[type], Any]]:
    """Say how to make what does not make itself, or would take long."""
    from sklearn.feature_selection import f_regression
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeRegressor

    few = {"n_estimators": 5, "random_state": 0}
    ridge, logistic = Ridge(), LogisticRegression()
    trained = Ridge().fit(numbers(), amounts(numbers()))
    special: dict[str, Callable[[type], Any]] = {
        "ColumnTransformer": lambda kind: kind([("scaled", StandardScaler(), ["a", "c"])]),
        "FeatureUnion": lambda kind: kind([("scaled", StandardScaler()), ("same", "passthrough")]),
        "FrozenEstimator": lambda kind: kind(trained),
        "GaussianProcessRegressor": lambda kind: kind(alpha=0.1),
        "KNNImputer": lambda kind: kind(n_neighbors=3),
        "Pipeline": lambda kind: kind([("scale", StandardScaler()), ("ridge", ridge)]),
        "SelectFromModel": lambda kind: kind(DecisionTreeRegressor(max_depth=3, random_state=0)),
        "SequentialFeatureSelector": lambda kind: kind(ridge, n_features_to_select=2, cv=2),
        "SparseCoder": lambda kind: kind(np.eye(4)[:3], transform_algorithm="threshold"),
        "SelectKBest": lambda kind: kind(f_regression, k=2),
        "StackingClassifier": lambda kind: kind([("a", logistic), ("b", logistic)], cv=2),
        "StackingRegressor": lambda kind: kind([("a", ridge), ("b", ridge)], cv=2),
        "VotingClassifier": lambda kind: kind([("a", logistic)], voting="soft"),
        "VotingRegressor": lambda kind: kind([("a", ridge)]),
        "TransformedTargetRegressor": lambda kind: kind(ridge, func=np.log, inverse_func=np.exp),
    }
    special |= dict.fromkeys(
        ["GenericUnivariateSelect", "SelectFdr", "SelectFpr", "SelectFwe", "SelectPercentile"],
        lambda kind: kind(f_regression),
    )
    special |= dict.fromkeys(["RFE", "RFECV"], lambda kind: kind(ridge))
    special |= dict.fromkeys(
        ["GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV"],
        lambda kind: kind(ridge, {"alpha": [0.5, 2.0]}, cv=2),
    )
    special |= dict.fromkeys(
        [
            *("OneVsOneClassifier", "OneVsRestClassifier", "OutputCodeClassifier"),
            *("ClassifierChain", "MultiOutputClassifier", "SelfTrainingClassifier"),
            *("FixedThresholdClassifier", "TunedThresholdClassifierCV"),
        ],
        lambda kind: kind(logistic),
    )
    special |= dict.fromkeys(["MultiOutputRegressor", "RegressorChain"], lambda kind: kind(ridge))
    special |= dict.fromkeys(
        [
            *("RandomForestClassifier", "RandomForestRegressor", "RandomTreesEmbedding"),
            *("ExtraTreesClassifier", "ExtraTreesRegressor", "IsolationForest"),
            *("AdaBoostClassifier", "AdaBoostRegressor", "BaggingClassifier", "BaggingRegressor"),
            *("GradientBoostingClassifier", "GradientBoostingRegressor"),
        ],
        lambda kind: kind(**few),
    )
    special |= dict.fromkeys(
        ["HistGradientBoostingClassifier", "HistGradientBoostingRegressor"],
        lambda kind: kind(max_iter=5),
    )
    special |= dict.fromkeys(
        ["KNeighborsClassifier", "KNeighborsRegressor"], lambda kind: kind(n_neighbors=3)
    )
    special |= dict.fromkeys(
        ["RadiusNeighborsClassifier", "RadiusNeighborsRegressor"], lambda kind: kind(radius=0.6)
    )
    special |= dict.fromkeys(
        ["DictionaryLearning", "MiniBatchDictionaryLearning"],
        lambda kind: kind(3, transform_algorithm="threshold"),
    )
    special |= dict.fromkeys(
        ["MLPClassifier", "MLPRegressor"], lambda kind: kind(hidden_layer_sizes=(10,))
    )
    special["BernoulliRBM"] = lambda kind: kind(n_components=8)
    special["QuantileTransformer"] = lambda kind: kind(n_quantiles=40)
    special["LocalOutlierFactor"] = lambda kind: kind(n_neighbors=5, novelty=True)
    special |= dict.fromkeys(
        ["GaussianRandomProjection", "SparseRandomProjection"], lambda kind: kind(n_components=2)
    )
    special |= dict.fromkeys(
        ["Nystroem", "RBFSampler", "SkewedChi2Sampler"], lambda k: k(n_components=5)
    )
    return special


def _sklearn_examples() -> list[Example]:
    made: list[Example] = []
    for name, kind in sklearn_estimators().items():
        if name in NO_TABLE:
            continue
        predicts = hasattr(kind, "predict") or name == "FrozenEstimator"
        if predicts:
            made.append(Example("sklearn", name, "predicts", partial(_fitted, name, kind)))
        if hasattr(kind, "transform") and name not in NOT_BOTH:
            made.append(Example("sklearn", name, "transforms", partial(_chained, name, kind)))
    return made


def _fitted(name: str, kind: type) -> tuple[Any, pd.DataFrame]:
    """Fit an estimator that predicts."""
    estimator, frame, target = _parts(name, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(frame, target), frame


def _chained(name: str, kind: type) -> tuple[Any, pd.DataFrame]:
    """Fit a transformer, and behind it a linear model that reads all its columns."""
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline

    estimator, frame, target = _parts(name, kind)
    is_numeric = target.dtype.kind == "f"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name in TWO_BLOCKS:
            estimator = FrozenEstimator(estimator.fit(frame, target))
        last = Ridge() if is_numeric else LogisticRegression()
        return make_pipeline(estimator, last).fit(frame, target), frame


def _parts(name: str, kind: type) -> tuple[Any, pd.DataFrame, np.ndarray]:
    from sklearn.base import is_classifier

    frame = FRAMES.get(name, numbers)()
    estimator = _made().get(name, lambda kind: kind())(kind)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    kinder = classes if is_classifier(estimator) else amounts
    return estimator, frame, TARGETS_OF.get(name, kinder)(frame)


def _of_lightgbm() -> list[Example]:
    import lightgbm as lgb

    small: dict[str, Any] = {"n_estimators": 5, "num_leaves": 7, "n_jobs": 1, "verbose": -1}

    def booster() -> tuple[Any, pd.DataFrame]:
        fitted, frame = _boosted(lgb.LGBMRegressor(**small), amounts)
        return fitted.booster_, frame

    return [
        Example("lightgbm", "Booster", "predicts", booster),
        Example(
            "lightgbm",
            "LGBMClassifier",
            "predicts",
            lambda: _boosted(lgb.LGBMClassifier(**small), classes),
        ),
        Example("lightgbm", "LGBMRanker", "predicts", lambda: ranked(lgb.LGBMRanker(**small))),
        Example(
            "lightgbm",
            "LGBMRegressor",
            "predicts",
            lambda: _boosted(lgb.LGBMRegressor(**small), amounts),
        ),
    ]


def _of_xgboost() -> list[Example]:
    import xgboost as xgb

    small: dict[str, Any] = {"n_estimators": 5, "max_depth": 3, "n_jobs": 1}

    def booster() -> tuple[Any, pd.DataFrame]:
        fitted, frame = _boosted(xgb.XGBRegressor(**small), amounts)
        return fitted.get_booster(), frame

    made = [Example("xgboost", "Booster", "predicts", booster)]
    made += [
        Example(
            "xgboost", kind.__name__, "predicts", lambda kind=kind: _boosted(kind(**small), codes)
        )
        for kind in (xgb.XGBClassifier, xgb.XGBRFClassifier)
    ]
    made += [
        Example(
            "xgboost", kind.__name__, "predicts", lambda kind=kind: _boosted(kind(**small), amounts)
        )
        for kind in (xgb.XGBRegressor, xgb.XGBRFRegressor)
    ]
    return [
        *made,
        Example("xgboost", "XGBRanker", "predicts", lambda: ranked(xgb.XGBRanker(**small))),
    ]


def _of_catboost() -> list[Example]:
    import catboost as cb

    small: dict[str, Any] = {
        "iterations": 5,
        "depth": 3,
        "thread_count": 1,
        "verbose": False,
        "allow_writing_files": False,
    }
    return [
        Example("catboost", "CatBoost", "predicts", lambda: _boosted(cb.CatBoost(small), amounts)),
        Example(
            "catboost",
            "CatBoostClassifier",
            "predicts",
            lambda: _boosted(cb.CatBoostClassifier(**small), classes),
        ),
        Example(
            "catboost", "CatBoostRanker", "predicts", lambda: ranked(cb.CatBoostRanker(**small))
        ),
        Example(
            "catboost",
            "CatBoostRegressor",
            "predicts",
            lambda: _boosted(cb.CatBoostRegressor(**small), amounts),
        ),
    ]


def codes(frame: pd.DataFrame) -> np.ndarray:
    """Make three classes that are numbers."""
    return np.unique(classes(frame), return_inverse=True)[1]


def _boosted(model: Any, target: Callable[[pd.DataFrame], np.ndarray]) -> tuple[Any, pd.DataFrame]:
    frame = numbers()
    model.fit(frame, target(frame))
    return model, frame


def ranked(model: Any) -> tuple[Any, pd.DataFrame]:
    """Fit a ranker to twelve queries."""
    frame = numbers()
    queries = np.repeat(np.arange(12), ROWS // 12)
    if type(model).__module__.startswith("lightgbm"):
        model.fit(frame, codes(frame), group=np.bincount(queries))
    elif type(model).__module__.startswith("xgboost"):
        model.fit(frame, codes(frame), qid=queries)
    else:
        model.fit(frame, codes(frame), group_id=queries)
    return model, frame
