"""The macro file of deployed models: what it says, and that Jinja reads it back."""

import jinja2
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

import foresql
from foresql import ForesqlError
from foresql.deploy.dbt_macros import dbt_macros, write_dbt_macros

ODD = ['{{ "brace" }}', "%} quote's", "# back\\slash", "naïve ☃ 😀", "Select", "plain"]


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """Versions 1 and 2 of `odd` take the same columns, version 3 one column fewer."""
    folder = tmp_path_factory.mktemp("macros") / "registry"
    frame = pd.DataFrame({name: [0.0, 1.0, 2.0, 3.0] for name in ODD})
    labels = [0, 1, 1, 0]
    publish = {"registry": folder, "probe_rows": 50}
    for depth in (1, 2):
        model = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(frame, labels)
        foresql.publish("odd", model, like=frame, alias="champion", **publish)
    fewer = frame.drop(columns="plain")
    model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(fewer, labels)
    foresql.publish("odd", model, like=fewer, alias="challenger", **publish)
    wide = pd.DataFrame({f"c{i}": [0.0, 1.0] for i in range(501)})
    model = DecisionTreeClassifier(max_depth=1, random_state=0).fit(wide, [0, 1])
    foresql.publish("wide", model, like=wide, alias="champion", **publish)
    return folder


def read(text):
    """What the macro returns, as dbt's Jinja reads it."""
    found = []
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=True)
    module = environment.from_string(text, {"return": found.append}).make_module(
        {"return": found.append}
    )
    module.foresql_models()
    return found[0]


def test_a_reference_has_its_functions_columns_and_versions(registry):
    models = read(dbt_macros(["odd@champion", "odd@challenger"], registry))
    champion, challenger = models["odd@champion"], models["odd@challenger"]
    assert (champion["version"], champion["versions"]) == (2, [1, 2])
    assert (challenger["version"], challenger["versions"]) == (3, [3])
    assert champion["functions"] == {
        "predict": "PREDICT_ODD",
        "predict_proba": "PREDICT_PROBA_ODD",
        "version": "VERSION_ODD",
    } | ({"explain": "EXPLAIN_ODD"} if "explain" in champion["functions"] else {})
    assert challenger["functions"]["predict"] == "PREDICT_ODD_CHALLENGER"
    assert "interval" in champion["omitted"]
    assert not champion["packed"]


def test_names_are_read_back_whole(registry):
    (model,) = read(dbt_macros(["odd@champion"], registry)).values()
    assert [column["name"] for column in model["columns"]] == ODD
    assert [column["column"] for column in model["columns"]] == [*ODD[:4], "SELECT", "PLAIN"]
    assert {column["type"] for column in model["columns"]} == {"FLOAT"}


def test_more_columns_than_arguments_go_into_one_object(registry):
    (model,) = read(dbt_macros(["wide@champion"], registry)).values()
    assert model["packed"]
    assert len(model["columns"]) == 501


def test_the_text_says_where_it_comes_from_and_does_not_change(registry):
    text = dbt_macros(["odd@champion", "odd@champion"], registry)
    assert text == dbt_macros(["odd@champion"], registry)
    digest = foresql.Registry.open(registry).resolve("odd@champion").digest
    assert f"odd@champion: odd:2, sha256 {digest}, certified on " in text
    assert "foresql dbt-macros odd@champion --into macros/foresql_models.sql" in text


@pytest.mark.parametrize("reference", ["odd", "odd:1"])
def test_a_reference_without_an_alias_is_refused(registry, reference):
    with pytest.raises(ForesqlError, match=r"names no alias.*odd@champion"):
        dbt_macros([reference], registry)


def test_a_file_of_somebody_else_stays(registry, tmp_path):
    text, path = dbt_macros(["odd@champion"], registry), tmp_path / "models.sql"
    write_dbt_macros(text, path)
    write_dbt_macros(text, path)
    path.write_text("{% macro mine() %}{% endmacro %}")
    with pytest.raises(ForesqlError, match="exists, and is not ours"):
        write_dbt_macros(text, path)
    write_dbt_macros(text, path, overwrite=True)
    assert path.read_text() == text
    with pytest.raises(ForesqlError, match="cannot be written"):
        write_dbt_macros(text, tmp_path / "absent/macros/models.sql")


def test_models_come_as_sql_where_they_are_no_functions(registry):
    text = dbt_macros(["odd@champion"], registry, to=["postgres", "duckdb", "postgres"])
    assert text == dbt_macros(["odd@champion"], registry, to=["duckdb", "postgres"])
    assert "dbt-macros odd@champion --to duckdb --to postgres --into" in text
    (model,) = read(text).values()
    assert model["targets"] == ["duckdb", "postgres"]
    assert model["inlined"].keys() == {"postgres"}
    assert model["inlined"]["postgres"]["answers"]["predict_proba"] == '"probability"'
    found = query(text, "odd@champion", "postgres")
    assert found.count("kept_1, kept_2") >= 2
    assert "FROM given" in found
    for name in ODD[:-2]:
        assert '"' + name.replace('"', '""') + '"' in found
    assert query(text, "odd@champion", "redshift") == ""


def query(text, reference, adapter):
    """What the macro with the models' SQL gives."""
    values = {"return": lambda _: "", "target": {"type": adapter}}
    module = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=True).from_string(
        text, values
    )
    return str(
        module.make_module(values).foresql_query(reference, "given", "kept_1, kept_2")
    ).strip()


@pytest.mark.parametrize(
    ("adapter", "told"),
    [
        ("sqlserver", r"odd@champion \(odd:2\) for the adapter sqlserver: .*WITH stands only"),
        ("oracle", "'oracle' is no adapter of dbt that foresql writes for. Use one of athena, "),
    ],
)
def test_a_target_that_cannot_hold_a_model_is_refused(registry, adapter, told):
    with pytest.raises(ForesqlError, match=told):
        dbt_macros(["odd@champion"], registry, to=[adapter])


def test_a_step_without_sql_is_named_with_the_way_out(tmp_path):
    from sklearn.neighbors import KNeighborsClassifier

    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
    model = KNeighborsClassifier(1).fit(frame, [0, 0, 1, 1])
    foresql.publish(
        "near", model, like=frame, alias="champion", registry=tmp_path / "r", probe_rows=50
    )
    with pytest.raises(ForesqlError) as refused:
        dbt_macros(["near@champion"], tmp_path / "r", to=["snowflake", "redshift"])
    message = str(refused.value)
    assert "near@champion (near:1) for the adapter redshift: " in message
    assert "What to do: " in message
    assert "Or score it where models are functions, in DuckDB or Snowflake" in message
