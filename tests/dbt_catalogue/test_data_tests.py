"""The data tests that the package ships: each passes on sound predictions, and each can fail."""

from dataclasses import replace

import duckdb

DAMAGE = """
    update predictions set probability = 1.5 where id = 1;
    update predictions set probability = null where id in (2, 3);
    insert into predictions from predictions where id = 4;
    delete from predictions where id = 5;
    insert into predictions by name
        select * replace (99 as id) from predictions where id = 6;
    update predictions set features_hash = 'old' where id = 6;
"""
FOUND = {
    "foresql_prediction_range": ("fail", ["probability is 1.5, and not between 0 and 1"]),
    "foresql_null_rate": (
        "warn",
        ["probability is missing in 2 of 7 rows, and at most the share 0.25 may be"],
    ),
    "foresql_unique_key": ("fail", ["2 rows have one key: shop = north, id = 4"]),
    "foresql_version_coverage": (
        "fail",
        [
            "shop = north, id = 4 has 2 predictions",
            "shop = north, id = 6 was scored before its features changed",
            "shop = north, id = 99 is not in the features any more",
            "foresql_version_coverage_predictions_: … 4 in all",
        ],
    ),
    "foresql_parity_with_certificate": ("pass", []),
}


def test_all_pass_on_predictions_that_are_right(built_shop):
    ran = built_shop.dbt("test", "--select", "predictions")
    assert {ran.status(name) for name in FOUND} == {"pass"}


def test_each_says_what_is_wrong(shop):
    with duckdb.connect(shop.folder / "shop.duckdb") as connection:
        connection.execute(DAMAGE)
    ran = shop.dbt("test", "--select", "predictions")
    assert {name: ran.status(name) for name in FOUND} == {
        name: status for name, (status, _) in FOUND.items()
    }
    assert [text for _, texts in FOUND.values() for text in texts if text not in ran.printed] == []


def tamper(shop, change) -> None:
    """Publish the champion again with another card."""
    registry = shop.registry
    bundle = registry.load(registry.resolve("bought@champion"))
    golden = change(dict(bundle.card["golden"]))
    version = registry.add_version(
        "bought", replace(bundle, card={**bundle.card, "golden": golden})
    )
    registry.move_alias("bought", "champion", version.version, expected=1)


def test_a_version_that_answers_otherwise_than_its_certificate_is_found(shop):
    def change(golden):
        first, *others = golden["probabilities"]
        labels = [1 - golden["prediction"][0], *golden["prediction"][1:]]
        other = [[0.25, 0.75], *others] if first != [0.25, 0.75] else [[0.5, 0.5], *others]
        return golden | {"probabilities": other, "prediction": labels}

    tamper(shop, change)
    ran = shop.dbt("test", "--select", "predictions")
    assert ran.status("foresql_parity_with_certificate") == "fail"
    assert "bought@champion answers" in ran.printed
    assert "for golden row 0" in ran.printed
    assert ran.status("foresql_version_coverage") == "fail"
    assert "shop = north, id = 2 was scored by bought:1, and bought:2 answers now" in ran.printed


def test_a_version_without_golden_rows_proves_nothing(shop):
    tamper(shop, lambda _: {})
    ran = shop.dbt("test", "--select", "predictions,test_name:parity_with_certificate")
    assert ran.status("foresql_parity_with_certificate") == "fail"
    assert "bought@champion keeps no golden rows" in ran.printed


def test_an_argument_that_nothing_knows_is_asked_for(shop):
    (shop.folder / "models/more.yml").write_text(
        "models: [{name: customers, data_tests: [foresql.unique_key]}]\n"
    )
    ran = shop.dbt("test", "--select", "customers")
    assert ran.status("foresql_unique_key") == "error"
    assert "needs the argument `key` here" in ran.printed
