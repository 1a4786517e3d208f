"""An endpoint with columns of each kind: its files, what is typed into its form, and sent."""

COLUMNS = {
    "id": "INTEGER", "far": "FLOAT", "word": "VARCHAR", "flag": "BOOLEAN", "day": "DATE",
    "fee": "DECIMAL(9,2)", "small": "TINYINT", "moment": "TIMESTAMP",
}  # fmt: skip
TYPES = "[request.columns]\n" + "".join(f"{n} = '{t}'\n" for n, t in COLUMNS.items())
EVERY_TYPE = """
SELECT id, predict_delay(distance := far, "dep delay" := id) AS late, word AS "{name}",
    NOT flag AS other, day + 1 AS later, fee + 1 AS more, [word, ''] AS two, moment, small
FROM trips WHERE id <> 9
"""
TYPED = [
    ["7", "0.1", "naïve ☃", "true", "2013-01-31", "19.90", "-3", "2013-01-31T23:59:59"],
    ["9", "1", "left out", "", "", "", "", ""],
    ["-2147483648", "1e3", "", "false", "", "", "", ""],
]
SENT = [
    dict(zip(COLUMNS, values, strict=True))
    for values in (
        (7, 0.1, "naïve ☃", True, "2013-01-31", "19.90", -3, "2013-01-31T23:59:59"),
        (9, 1, "left out", None, None, None, None, None),
        (-(2**31), 1e3, None, False, None, None, None, None),
    )
]
