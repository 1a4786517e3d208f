"""The extension: native functions give the arrow functions' bits, and refuse the same rows."""

import catboost
import duckdb
import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import foresql
from foresql.ir.bundle import Bundle
from foresql.kernels import build_program
from foresql.scoring.native import write_temporary
from foresql.udfs.duckdb import register_scorer
from foresql.udfs.duckdb.extension import extension_path

pytestmark = pytest.mark.skipif(
    extension_path() is None, reason="the DuckDB extension was not built with the package"
)

SMALL = {"n_estimators": 10, "num_leaves": 7, "min_child_samples": 5, "n_jobs": 1, "verbose": -1}
EDGES = """
    SELECT * FROM (VALUES
        (NULL, NULL, NULL, NULL), ('nan'::DOUBLE, 0, true, ''), ('inf'::DOUBLE, -1, false, 'AA'),
        ('-inf'::DOUBLE, 2147483648, NULL, 'UA'), (-0.0::DOUBLE, 400, true, 'unseen'),
        (5e-324::DOUBLE, 9223372036854775807, true, 'É☃'), (1e308::DOUBLE, 7, false, 'say "hi"')
    ) AS edges(distance, seats, rain, carrier)
"""


@pytest.fixture
def con():
    with foresql.connect() as connection:
        yield connection


@pytest.fixture
def native(con):
    """Register a fitted model as native functions, and its frame as the table `t`."""

    def run(fitted, name="native"):
        model = fitted.scorer.model
        reference = write_temporary(Bundle(model, program=build_program(model)))
        registration = register_scorer(con, fitted.scorer, name, bundle=reference)
        con.register("frame", fitted.frame)
        con.execute("CREATE OR REPLACE TABLE t AS FROM frame")
        con.unregister("frame")
        return registration, reference

    return run


@pytest.fixture
def agree(con, native):
    """Hold the native functions of a model against its arrow functions, on a query's rows."""

    def run(fitted, *queries):
        registration, _ = native(fitted)
        arrow = register_scorer(con, fitted.scorer, "arrow")
        for kind in {"predict", "predict_proba"} & set(registration.functions):
            ours, theirs = registration.functions[kind], arrow.functions[kind]
            assert is_native(con, ours)
            assert not is_native(con, theirs)
            for query in ("FROM t", *queries):
                calls = f"SELECT {ours}(r) AS ours, {theirs}(r) AS theirs FROM ({query}) r"
                table = con.sql(calls).to_arrow_table().combine_chunks()
                assert table.schema.field("ours").type == table.schema.field("theirs").type
                assert bits(table["ours"].combine_chunks()) == bits(
                    table["theirs"].combine_chunks()
                )
        return registration

    return run


def is_native(con, function):
    definition = con.execute(
        "SELECT macro_definition FROM duckdb_functions() WHERE function_name = ? AND NOT internal",
        [function],
    ).fetchall()[0][0]
    return "foresql_predict" in definition


def bits(array):
    """All that an answer holds, with the bits of its doubles."""
    if pa.types.is_floating(array.type):
        return [array.is_null().to_pylist(), array.to_numpy(zero_copy_only=False).tobytes()]
    if pa.types.is_struct(array.type):
        fields = range(array.type.num_fields)
        return [(array.type.field(index).name, bits(array.field(index))) for index in fields]
    if pa.types.is_fixed_size_list(array.type):
        return bits(array.flatten())
    return array.to_pylist()


def pipeline(predictor):
    text = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return make_pipeline(
        make_column_transformer((text, ["carrier"]), (numbers, ["distance", "seats"])), predictor
    )


class TestAgreement:
    def test_lightgbm_regression(self, agree, regressor):
        agree(regressor, EDGES, "FROM t WHERE seats % 3 = 0", "FROM t WHERE false")

    def test_two_classes(self, agree, binary):
        agree(binary, EDGES, "FROM t WHERE distance > 1000")

    def test_text_labels(self, agree, multiclass):
        agree(multiclass, EDGES, "FROM t WHERE carrier = 'AA'")

    @pytest.mark.parametrize("offset", [0, 2**60])
    def test_integer_labels(self, agree, fit, flights, delay, offset):
        labels = np.where(delay > 8, 7, -3) + offset
        agree(fit(lightgbm.LGBMClassifier(**SMALL), flights, labels), EDGES)

    def test_labels_that_are_long_texts(self, agree, fit, flights, delay):
        labels = np.where(delay > 8, "later than was announced ☃", "on time")
        agree(fit(lightgbm.LGBMClassifier(**SMALL), flights, labels), EDGES)

    def test_xgboost(self, agree, fit, flights, delay):
        frame = flights[["distance", "seats"]].astype({"seats": float})
        agree(fit(xgboost.XGBRegressor(n_estimators=10, max_depth=3), frame, delay), EDGES)

    def test_catboost(self, agree, fit, flights, delay):
        frame = flights[["distance", "seats"]].astype({"seats": float})
        estimator = catboost.CatBoostRegressor(
            iterations=10, depth=4, verbose=False, allow_writing_files=False
        )
        agree(fit(estimator, frame, delay), EDGES)

    def test_pipeline_of_text_and_numbers(self, agree, fit, flights, delay):
        frame = flights[["carrier", "distance", "seats"]].astype({"carrier": object})
        fitted = fit(pipeline(LogisticRegression()), frame.fillna({"carrier": "AA"}), delay > 8)
        agree(fitted, EDGES.replace("'inf'", "'1'").replace("'-inf'", "'2'"))

    def test_linear(self, agree, line):
        agree(line, "SELECT x * 1e300 AS x FROM t")

    def test_vectors(self, agree, fit):
        frame = pd.DataFrame({"x": np.arange(100.0), "y": np.arange(100.0)[::-1] ** 2})
        target = np.stack([frame["x"], frame["y"], frame["x"] * 2], axis=1)
        agree(fit(LinearRegression(), frame, target))

    def test_a_million_rows_on_two_threads(self, con, native, regressor):
        native(regressor)
        con.execute("SET threads = 2")
        con.execute("CREATE TABLE expected AS SELECT *, native(t) AS answer FROM t")
        [(rows, wrong)] = con.execute(
            "SELECT count(*), count(*) FILTER (native(e) IS DISTINCT FROM e.answer) "
            "FROM expected e, range(2000)"
        ).fetchall()
        assert (rows, wrong) == (1_000_000, 0)


class TestCalls:
    def test_row_position_name_and_constants_agree(self, con, native, regressor):
        _, reference = native(regressor)
        calls = (
            "native({distance: 900, seats: 3, rain: true, carrier: 'AA'})",
            "native(900, 3, true, 'AA')",
            "native(rain := true, carrier := 'AA', seats := 3, distance := 900)",
            "predict($m, {CARRIER: 'AA', n: [1], Rain: true, seats: 3::UTINYINT, distance: 9e2})",
            "foresql_predict($m, 900::DECIMAL(18, 3), 3::HUGEINT, true, 'AA'::enum_of_carriers)",
            "foresql_predict($m, 900::FLOAT, 3::SMALLINT, true, 'AA')",
        )
        con.execute("CREATE TYPE enum_of_carriers AS ENUM ('UA', 'AA')")
        sql = ", ".join(calls).replace("$m", f"'{reference}'")
        answers = con.execute(f"SELECT {sql}").fetchall()[0]
        assert len(set(answers)) == 1

    @pytest.mark.parametrize("values", ["900, 3, true, 'AA'", "seats := 3, distance := 900", "9"])
    def test_values_without_a_row_are_refused(self, con, native, regressor, values):
        _, reference = native(regressor)
        with pytest.raises(duckdb.BinderException, match="reads a row"):
            con.execute(f"SELECT predict('{reference}', {values})")

    def test_null_is_missing(self, con, native, regressor):
        _, reference = native(regressor)
        row = "{distance: NULL, seats: NULL::INTEGER, rain: NULL::BOOLEAN, carrier: NULL::VARCHAR}"
        empty = "NULL::STRUCT(distance DOUBLE, seats INTEGER, rain BOOLEAN, carrier VARCHAR)"
        [answers] = con.execute(
            f"SELECT predict('{reference}', {row}), predict('{reference}', {empty}), "
            f"foresql_predict('{reference}', NULL, NULL, NULL, NULL), native({row}), "
            f"native({empty})"
        ).fetchall()
        assert len(set(answers)) == 1
        assert answers[0] is not None

    def test_a_null_row_hides_what_its_fields_hold(self, con, native, regressor):
        native(regressor)
        [(wrong,)] = con.execute(
            "SELECT count(*) FILTER (native(r) <> native(NULL, NULL, NULL, NULL)) "
            "FROM (SELECT CASE WHEN i % 2 = 0 THEN t END AS r, i FROM t, range(10) n(i)) "
            "WHERE i % 2 = 1"
        ).fetchall()
        assert wrong == 0

    def test_labels_and_lists(self, con, native, multiclass):
        _, m = native(multiclass)
        rows = con.execute(
            f"SELECT predict_label('{m}', t), predict_proba_all('{m}', t), native_proba(t) FROM t"
        ).fetchall()
        assert [row[0] for row in rows] == multiclass.predictions.tolist()
        assert all(list(struct.values()) == listed for _, listed, struct in rows)

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            ("foresql_predict($m, 'x')", "column 'x' must be a number, and it is VARCHAR"),
            ("predict($m, {y: 1})", "needs column 'x' (a number), and the row has no such field"),
            ("foresql_predict($m, 1, 2)", "has 1 columns, and the call gives 2"),
            ("foresql_predict($m, true)", "must be a number, and it is BOOLEAN"),
            ("foresql_predict($m)", "has 1 columns, and the call gives 0"),
            ("predict_label($m, 1)", "predicts numbers. Use predict."),
            ("predict_proba($m, 1)", "gives no class probabilities"),
            ("predict(NULL, 1)", "The first argument names the model"),
            ("predict(x::VARCHAR, 1)", "The first argument names the model"),
            ("predict('no such thing', 1)", "'no such thing' names no model"),
            ("predict('/none.foresql', 1)", "/none.foresql cannot be opened"),
            ("foresql_predict($m, (x / 3)::DECIMAL(38, 30))", "too many digits to be exact"),
            ("foresql_predict($m, 1e20::HUGEINT)", "beyond 64 bits. Cast the column to DOUBLE"),
            ("foresql_predict($m, NULL)", "LinearRegression accepts no"),
        ],
    )
    def test_what_is_wrong_is_said(self, con, native, line, call, message):
        _, reference = native(line)
        with pytest.raises(duckdb.Error) as caught:
            con.execute(f"SELECT {call.replace('$m', repr(reference))} FROM t").fetchall()
        assert message in str(caught.value)

    def test_other_answers_are_named(self, con, native, multiclass, binary):
        for fitted, call, message in (
            (multiclass, "predict", "Use predict_label"),
            (multiclass, "predict_proba", "Use predict_proba_all"),
            (binary, "predict_all", "Use predict or predict_label"),
        ):
            _, reference = native(fitted)
            with pytest.raises(duckdb.BinderException, match=message):
                con.execute(f"SELECT {call}('{reference}', t) FROM t")

    def test_times_are_exact_or_refused(self, con, fit, native):
        days = pd.to_datetime(["2024-01-01", "2024-01-02"] * 50)
        frame = pd.DataFrame({"day": days, "x": np.arange(100.0)})
        encoder = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["day"]), remainder="passthrough"
        )
        target = frame["x"] + 100 * (days.day == 2)
        fitted = fit(make_pipeline(encoder, LinearRegression()), frame, target)
        if not build_program(fitted.scorer.model):
            pytest.skip("a key of times has no native form")
        _, m = native(fitted)
        types = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
        calls = ", ".join(f"foresql_predict('{m}', '2024-01-02'::{each}, 0)" for each in types)
        answers = con.execute(f"SELECT {calls}, native('2024-01-02'::DATE, 0)").fetchall()[0]
        assert len(set(answers)) == 1
        with pytest.raises(duckdb.Error, match="not whole microseconds"):
            con.execute(
                f"SELECT foresql_predict('{m}', '2024-01-02 00:00:00.0000001'::TIMESTAMP_NS, 0)"
            )
        with pytest.raises(duckdb.BinderException, match="must be a date or time"):
            con.execute(f"SELECT foresql_predict('{m}', '2024-01-02'::TIMESTAMPTZ, 0)")


class TestConnection:
    def test_without_the_extension_a_warning_says_so(self, monkeypatch, line):
        monkeypatch.setattr("foresql.udfs.duckdb.extension.loading._FILE", "none")
        with pytest.warns(RuntimeWarning, match="was not built"):
            connection = foresql.connect()
        with connection:
            register_scorer(connection, line.scorer, "f")
            assert connection.execute("SELECT f(3)").fetchall() == [(pytest.approx(7),)]

    def test_refused_extension_is_a_warning(self):
        with pytest.warns(RuntimeWarning, match="does not load"):
            foresql.connect(config={"allow_unsigned_extensions": "false"}).close()

    def test_an_estimator_is_native_at_once(self, con):
        frame = pd.DataFrame({"x": np.arange(50.0), "y": np.arange(50.0) ** 2})
        model = LinearRegression().fit(frame, frame["x"] * 2)
        registration = foresql.register(con, model, like=frame)
        assert registration.name == "predict"
        assert is_native(con, "predict")
        assert con.execute("SELECT predict(3, 9)").fetchall() == [(pytest.approx(6),)]
        registration.unregister()
        with pytest.raises(duckdb.BinderException, match="names no model"):
            con.execute("SELECT predict('', {x: 9})")

    def test_files_that_duckdb_may_not_read(self, native, con, line):
        _, reference = native(line)
        con.execute("SET enable_external_access = false")
        with pytest.raises(duckdb.BinderException, match="disabled by configuration"):
            con.execute(f"SELECT foresql_predict('{reference}', 1)")
        register_scorer(con, line.scorer, "arrow", bundle=reference)
        assert not is_native(con, "arrow")

    def test_a_read_only_database_keeps_its_functions(self, tmp_path, line):
        model = line.scorer.model
        reference = write_temporary(Bundle(model, program=build_program(model)))
        with foresql.connect(tmp_path / "f.duckdb") as connection:
            register_scorer(connection, line.scorer, "f", bundle=reference)
        with foresql.connect(tmp_path / "f.duckdb", read_only=True) as connection:
            assert connection.execute("SELECT f(3)").fetchall() == [(pytest.approx(7),)]
            register_scorer(connection, line.scorer, "g", bundle=reference, temporary=True)
            assert connection.execute("SELECT g(x := 3)").fetchall() == [(pytest.approx(7),)]
        with (
            duckdb.connect(tmp_path / "f.duckdb") as connection,
            pytest.raises(duckdb.CatalogException, match="foresql_predict"),
        ):
            connection.execute("SELECT f(3)")
