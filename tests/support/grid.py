"""The oracle grid: kinds of model against the rows, targets, shapes and names that break others.

A case is a fitted estimator, the frame that it was fitted to, and further frames to score. Whoever
has a way to score (a kernel, a dialect of SQL, an engine) takes :func:`cases` and holds its answers
against the estimator's own. What a library refuses to be fitted to is no case.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from examples import ranked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROWS = 300


@dataclass(frozen=True)
class Case:
    """A model of the grid; ``make`` fits it, or raises what the library refuses it with."""

    name: str
    make: Callable[[], Fitted]

    def fit(self) -> Fitted | None:
        """Fit the model; None where the library itself refuses."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return self.make()
            except _refusals():
                return None


class Fitted(NamedTuple):
    """A fitted estimator, its training frame, and frames to score besides it."""

    estimator: Any
    frame: pd.DataFrame
    others: tuple[pd.DataFrame, ...] = ()


@dataclass(frozen=True)
class Family:
    """A kind of model: its regressor and its classifier, made with options of their own.

    ``keys`` is the dtype in which it reads text: ``category``, ``str`` or none. ``reads_gaps`` says
    whether it takes missing numbers.
    """

    regressor: Callable[..., Any]
    classifier: Callable[..., Any]
    keys: str | None = None
    reads_gaps: bool = False
    shapes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def cases() -> Iterator[Case]:
    """List the whole grid."""
    for family_name, family in families().items():
        for name, make in NUMBERS.items():
            yield Case(f"{family_name}: {name}", _on_numbers(family, make))
        for name, make in KEYS.items() if family.keys else ():
            yield Case(f"{family_name}: {name}", _on_keys(family, make))
        for name, target in TARGETS.items():
            yield Case(f"{family_name}: {name}", _to_target(family, target))
        for name, options in family.shapes.items():
            yield Case(f"{family_name}: {name}", _of_shape(family, options))
        for name, make in NAMES.items():
            yield Case(f"{family_name}: {name}", _of_names(family, make))

    for name, ranker in _rankers().items():
        yield Case(f"{name}: ranking", partial(_ranked, ranker))


def _refusals() -> tuple[type[Exception], ...]:
    import catboost
    import lightgbm
    import xgboost

    own = (lightgbm.basic.LightGBMError, xgboost.core.XGBoostError, catboost.CatBoostError)
    return (ValueError, TypeError, *own)


# Numbers. Each gives a column; a plain column stands beside it.


def _sprinkled(rng: np.random.Generator, odd: list[float]) -> np.ndarray:
    """Make whole numbers between -3 and 3, a third of them replaced by odd ones."""
    base = rng.integers(-3, 4, ROWS).astype(float)
    return np.where(rng.random(ROWS) < 1 / 3, rng.choice(odd, ROWS), base)


NUMBERS: Mapping[str, Callable[[np.random.Generator], np.ndarray]] = {
    "missing": lambda rng: _sprinkled(rng, [np.nan]),
    "infinite": lambda rng: _sprinkled(rng, [np.inf, -np.inf]),
    "missing and infinite": lambda rng: _sprinkled(rng, [np.nan, np.inf, -np.inf]),
    "minus zero": lambda rng: _sprinkled(rng, [-0.0, 0.0]),
    "denormal": lambda rng: _sprinkled(rng, [5e-324, -5e-324, 1e-310, 1e-36, -1e-36, 1e-35, 0.0]),
    "decimal": lambda rng: rng.integers(0, 40, ROWS) / 10,
    "a float32's neighbours": lambda rng: np.nextafter(
        rng.choice(np.float32([0.1, 0.2, 0.3, 0.7]), ROWS).astype(float), rng.choice([-1, 1], ROWS)
    ),
    "huge": lambda rng: _sprinkled(rng, [1e300, -1e300, 1e38, 1e15]),
    "whole": lambda rng: rng.integers(-5, 6, ROWS),
    "beyond 2**53": lambda rng: 2**53 + rng.integers(0, 9, ROWS),
    "flags": lambda rng: rng.random(ROWS) < 0.4,
    "constant": lambda _: np.full(ROWS, 7.0),
}


def _on_numbers(
    family: Family, make: Callable[[np.random.Generator], np.ndarray]
) -> Callable[[], Fitted]:
    def fit() -> Fitted:
        rng = np.random.default_rng(1)
        frame = pd.DataFrame({"odd": make(rng), "plain": rng.normal(size=ROWS).round(2)})
        target = rng.normal(size=ROWS) + np.nan_to_num(frame["odd"].astype(float).rank() / ROWS)
        return Fitted(family.regressor().fit(frame, target), frame)

    return fit


# Keys. Each gives the levels of a column, and what else may be scored.


class Levels(NamedTuple):
    """Text values of a column: in training, and others at scoring; None is missing."""

    known: list[str | None]
    later: list[str | None]


KEYS: Mapping[str, Levels] = {
    "unseen keys": Levels(["a", "b", "c"], ["a", "B", "zz", "a "]),
    "missing keys": Levels(["a", "b", None], ["a", None]),
    "missing at scoring alone": Levels(["a", "b"], ["a", None]),
    "empty keys": Levels(["", " ", "a"], ["", "  "]),
    "keys that look like numbers": Levels(["1", "1.0", "01", "nan"], ["1", "1e0", "NaN"]),
    "keys of Unicode": Levels(["É", "E\u0301", "☃", "straße"], ["STRASSE", "e\u0301", "É"]),
    "1,200 keys": Levels([f"k{i:04}" for i in range(1200)], ["k0001", "k1300"]),
    "other order at scoring": Levels(["a", "b", "c"], ["c", "b", "a"]),
}


def _on_keys(family: Family, levels: Levels) -> Callable[[], Fitted]:
    def fit() -> Fitted:
        rng = np.random.default_rng(2)
        rows = max(ROWS, len(levels.known))
        known = levels.known * -(-rows // len(levels.known))
        order = rng.permutation(len(known))
        key = pd.Series(known, dtype=object).iloc[order].reset_index(drop=True)
        frame = pd.DataFrame({"key": _keys(family, key), "x": rng.normal(size=len(key))})
        target = frame["x"] + pd.factorize(key)[0] % 5
        later = pd.Series(levels.later, dtype=object)
        other = pd.DataFrame({"key": _keys(family, later), "x": 0.5})
        return Fitted(family.regressor().fit(frame, target), frame, (other,))

    return fit


def _keys(family: Family, values: pd.Series) -> pd.Series:
    return values.astype("category") if family.keys == "category" else values.astype("str")


# Targets.


class Target(NamedTuple):
    """A target: whether it has classes, and its values for the rows' whole numbers."""

    is_class: bool
    of: Callable[[np.ndarray], np.ndarray]


TARGETS: Mapping[str, Target] = {
    "two classes": Target(True, lambda n: n % 2),
    "three classes": Target(True, lambda n: n % 3),
    "fifty classes": Target(True, lambda n: n % 50),
    "text labels": Target(True, lambda n: np.array(["no", "Yes", "é"])[n % 3]),
    "boolean labels": Target(True, lambda n: n % 2 == 1),
    "labels with holes": Target(True, lambda n: np.array([-7, 3, 900])[n % 3]),
    "labels that are floats": Target(True, lambda n: np.array([0.5, 2.0])[n % 2]),
    "classes that tie": Target(True, lambda n: np.arange(len(n)) % 2),
    "two targets": Target(False, lambda n: np.column_stack([n, np.sqrt(n)])),
    "one value": Target(False, lambda n: np.full(len(n), 3.5)),
}


def _plain() -> tuple[pd.DataFrame, np.ndarray]:
    """Make three columns of tenths, each row twice, and a whole number of each row."""
    whole = np.random.default_rng(3).integers(0, 30, (ROWS // 2, 3)).repeat(2, axis=0)
    return pd.DataFrame(whole / 10, columns=["a", "b", "c"]), whole @ np.array([1, 3, 7])


def _to_target(family: Family, target: Target) -> Callable[[], Fitted]:
    def fit() -> Fitted:
        frame, whole = _plain()
        kind = family.classifier if target.is_class else family.regressor
        return Fitted(kind().fit(frame, target.of(whole)), frame)

    return fit


def _of_shape(family: Family, options: Mapping[str, Any]) -> Callable[[], Fitted]:
    def fit() -> Fitted:
        frame, whole = _plain()
        frame["b"] = frame["b"].mask(whole % 7 == 0) if family.reads_gaps else frame["b"]
        target = np.sin(whole) + frame["a"]
        extra = {"eval_set": [(frame, target)]} if "early_stopping_rounds" in options else {}
        return Fitted(family.regressor(**options).fit(frame, target, **extra), frame)

    return fit


# Names and sizes.

NAMES: Mapping[str, Callable[[], tuple[list[str], int]]] = {
    "dots and spaces": lambda: (["a.b", "a b", " a"], ROWS),
    "reserved words": lambda: (["select", "from", "order"], ROWS),
    "mixed case": lambda: (["CamelCase", "UPPER", "ünï"], ROWS),
    "quotes": lambda: (['a"b', "a'b", "a`b;--"], ROWS),
    "500 columns": lambda: ([f"c{index}" for index in range(500)], 60),
    "numbers for names": lambda: (["0", "1", "10"], ROWS),
}


def _of_names(family: Family, make: Callable[[], tuple[list[str], int]]) -> Callable[[], Fitted]:
    def fit() -> Fitted:
        names, rows = make()
        values = np.random.default_rng(4).integers(0, 30, (rows, len(names))) / 10
        frame = pd.DataFrame(values, columns=names)
        fitted = family.regressor().fit(frame, values[:, 0] + np.sin(values[:, 1]))
        return Fitted(fitted, frame, (frame.iloc[:0], frame.iloc[:1]))

    return fit


# Kinds of model.


def families() -> Mapping[str, Family]:
    """Give the kinds of model by name."""
    return {**_boosted(), **_of_sklearn()}


def _boosted() -> dict[str, Family]:
    import catboost as cb
    import lightgbm as lgb
    import xgboost as xgb

    small = {"n_estimators": 8, "random_state": 0, "n_jobs": 1}
    light = {**small, "num_leaves": 15, "min_child_samples": 3, "verbose": -1}
    cats = {"iterations": 8, "depth": 4, "random_seed": 0, "thread_count": 1}
    cats |= {"verbose": False, "allow_writing_files": False}
    return {
        "lightgbm": Family(
            partial(lgb.LGBMRegressor, **light),
            partial(lgb.LGBMClassifier, **light),
            keys="category",
            reads_gaps=True,
            shapes={
                "one leaf": {"min_child_samples": 10 * ROWS},
                "one tree": {"n_estimators": 1},
                "1,000 trees": {"n_estimators": 1000, "num_leaves": 3},
                "early stopping": {"early_stopping_rounds": 2, "n_estimators": 200},
                "DART": {"boosting_type": "dart", "drop_rate": 0.5},
                "random forest": {
                    "boosting_type": "rf",
                    "subsample": 0.6,
                    "subsample_freq": 1,
                },
                "linear leaves": {"linear_tree": True},
                "monotone": {"monotone_constraints": [1, -1, 0]},
                "quantile": {"objective": "quantile", "alpha": 0.2},
                "300 leaves": {"num_leaves": 300, "min_child_samples": 1},
            },
        ),
        "xgboost": Family(
            partial(xgb.XGBRegressor, **small, enable_categorical=True),
            partial(xgb.XGBClassifier, **small, enable_categorical=True),
            keys="category",
            reads_gaps=True,
            shapes={
                "one leaf": {"gamma": 1e9},
                "one tree": {"n_estimators": 1},
                "1,000 trees": {"n_estimators": 1000, "max_depth": 2},
                "early stopping": {"early_stopping_rounds": 2, "n_estimators": 200},
                "DART": {"booster": "dart", "rate_drop": 0.5},
                "several trees a round": {"num_parallel_tree": 3, "subsample": 0.5},
                "monotone": {"monotone_constraints": (1, -1, 0)},
                "quantile": {"objective": "reg:quantileerror", "quantile_alpha": 0.2},
                "linear": {"booster": "gblinear"},
                "lossguide": {"grow_policy": "lossguide", "max_depth": 0, "max_leaves": 40},
            },
        ),
        "catboost": Family(
            partial(cb.CatBoostRegressor, **cats),
            partial(cb.CatBoostClassifier, **cats),
            reads_gaps=True,
            shapes={
                "one tree": {"iterations": 1},
                "1,000 trees": {"iterations": 1000, "depth": 2},
                "depthwise": {"grow_policy": "Depthwise"},
                "lossguide": {"grow_policy": "Lossguide", "max_leaves": 10},
                "monotone": {"monotone_constraints": [1, -1, 0]},
                "quantile": {"loss_function": "Quantile:alpha=0.2"},
            },
        ),
    }


def _rankers() -> dict[str, Any]:
    import catboost as cb
    import lightgbm as lgb
    import xgboost as xgb

    cats = {"iterations": 8, "verbose": False, "allow_writing_files": False, "thread_count": 1}
    return {
        "lightgbm": lgb.LGBMRanker(n_estimators=8, n_jobs=1, verbose=-1),
        "xgboost": xgb.XGBRanker(n_estimators=8, n_jobs=1),
        "catboost": cb.CatBoostRanker(**cats),
    }


def _ranked(ranker: Any) -> Fitted:
    return Fitted(*ranked(ranker))


def _of_sklearn() -> dict[str, Family]:
    from sklearn import ensemble, linear_model, tree

    few = {"n_estimators": 8, "random_state": 0}
    forest = {
        "one leaf": {"max_leaf_nodes": 2, "min_samples_leaf": ROWS},
        "one tree": {"n_estimators": 1},
        "several hundred trees": {"n_estimators": 300, "max_depth": 3},
    }
    return {
        "decision tree": Family(
            tree.DecisionTreeRegressor,
            tree.DecisionTreeClassifier,
            reads_gaps=True,
            shapes={
                "one leaf": {"min_samples_leaf": ROWS},
                "monotone": {"monotonic_cst": [1, -1, 0]},
                "quantile": {"criterion": "absolute_error"},
            },
        ),
        "random forest": Family(
            partial(ensemble.RandomForestRegressor, **few),
            partial(ensemble.RandomForestClassifier, **few),
            reads_gaps=True,
            shapes=forest,
        ),
        "extra trees": Family(
            partial(ensemble.ExtraTreesRegressor, **few),
            partial(ensemble.ExtraTreesClassifier, **few),
            reads_gaps=True,
            shapes=forest,
        ),
        "gradient boosting": Family(
            partial(ensemble.GradientBoostingRegressor, **few),
            partial(ensemble.GradientBoostingClassifier, **few),
            shapes={**forest, "quantile": {"loss": "quantile", "alpha": 0.2}},
        ),
        "histogram boosting": Family(
            partial(ensemble.HistGradientBoostingRegressor, max_iter=8, random_state=0),
            partial(ensemble.HistGradientBoostingClassifier, max_iter=8, random_state=0),
            keys="category",
            reads_gaps=True,
            shapes={
                "one tree": {"max_iter": 1},
                "1,000 trees": {"max_iter": 1000, "max_leaf_nodes": 3},
                "early stopping": {"early_stopping": True, "max_iter": 200},
                "monotone": {"monotonic_cst": [1, -1, 0]},
                "quantile": {"loss": "quantile", "quantile": 0.2},
            },
        ),
        "linear": Family(linear_model.Ridge, linear_model.LogisticRegression),
        "encoded": Family(_encoded_regressor, _encoded_classifier, keys="str"),
    }


def _encoded_regressor() -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    return make_pipeline(_encoder(), Ridge())


def _encoded_classifier() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(_encoder(), LogisticRegression())


def _encoder() -> Any:
    """Encode text, fill and scale numbers."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include="str")),
        (
            make_pipeline(SimpleImputer(), StandardScaler()),
            make_column_selector(dtype_exclude="str"),
        ),
        sparse_threshold=0,
    )
