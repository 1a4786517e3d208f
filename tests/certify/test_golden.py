import pyarrow as pa

from foresql.certify.golden import without_tiny


def test_rows_that_every_engine_holds_stay():
    assert without_tiny(pa.table({"a": [0.0, 1.0, None] * 10, "b": ["x", "y", None] * 10})) is None


def test_tiny_numbers_of_wide_tables_become_0():
    plain = without_tiny(pa.table({"a": [5e-324, -1e-310, None, 2.0], "b": [1, 2, 3, None]}))
    assert plain.to_pydict() == {"a": [0.0, 0.0, None, 2.0], "b": [1, 2, 3, None]}
