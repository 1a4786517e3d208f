from foresql.deploy.dbt_docs import dbt_docs
from foresql.deploy.dbt_macros import dbt_macros


def test_the_screen_a_file_and_json(run, run_json, shop):
    expected = dbt_macros(["returns@champion"], shop / "foresql_registry")
    assert run("dbt-macros", "returns@champion").stdout == expected
    assert run_json("dbt-macros", "returns@champion") == {"file": None, "text": expected}
    printed = run("dbt-macros", "returns@champion", "--into", "models.sql").stdout
    assert printed == "Wrote models.sql: returns@champion.\n"
    assert (shop / "models.sql").read_text() == expected


def test_an_error_says_what_to_do(run_json):
    error = run_json("dbt-macros", "returns:1", code=1)["error"]
    assert "Write returns@champion" in error["message"]


def test_the_model_cards_go_into_a_file_of_their_own(run, run_json, shop):
    expected = dbt_docs(["returns@champion"], shop / "foresql_registry")
    printed = run("dbt-macros", "returns@champion", "--docs", "models.md").stdout
    assert printed == "Wrote models.md: returns@champion.\n"
    assert (shop / "models.md").read_text() == expected
    (shop / "mine.md").write_text("mine")
    error = run_json("dbt-macros", "returns@champion", "--docs", "mine.md", code=1)["error"]
    assert "mine.md exists, and is not ours" in error["message"]
