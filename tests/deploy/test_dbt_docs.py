"""Doc blocks for dbt, from the model cards."""

import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import foresql
from foresql import ForesqlError, Registry
from foresql.deploy.dbt_docs import DOCS_MARK, dbt_docs

FRAME = pd.DataFrame({"a|b": [1.0, 2.0, 4.0, 8.0], "c": [0.0, 1.0, 1.0, None]})


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "registry"
    line = LinearRegression().fit(FRAME[["a|b"]], [1, 2, 3, 4])
    foresql.publish(
        "line",
        line,
        like=FRAME[["a|b"]],
        alias="champion",
        registry=folder,
        description="A {{ line }} {% through %}\n  four points.",
    )
    colours = LogisticRegression().fit(FRAME[["a|b"]], ["red", "green", "blue", "blue"])
    foresql.publish("colour", colours, like=FRAME[["a|b"]], alias="next", registry=folder)
    return folder


def test_a_model_gets_blocks_that_name_its_version(registry):
    text = dbt_docs(["line@champion"], registry)
    version = Registry(registry).resolve("line@champion")
    assert text.startswith(f"{DOCS_MARK} Written by foresql dbt-macros line@champion --docs ")
    assert f"| version | line:1, sha256 {version.digest} |" in text
    assert "| a\\|b | double | never |  |" in text
    assert "{% docs line_champion_predict %}\nWhat line:1 predicts. " in text
    assert "line_champion_predict_proba" not in text
    assert text == dbt_docs(["line@champion", "line@champion"], registry)


def test_a_description_is_no_template(registry):
    text = dbt_docs(["line@champion"], registry)
    assert "A &#123;{ line }} &#123;% through %} four points." in text
    tags = [line for line in text.splitlines() if "{%" in line or "{{" in line]
    assert all(line.startswith(("{% docs line_champion", "{% enddocs %}")) for line in tags)


def test_classes_are_named(registry):
    text = dbt_docs(["colour@next"], registry)
    assert "Label that colour:1 predicts, of blue, green, red." in text
    assert "Probability of each class, 0 to 1, by colour:1." in text


def test_a_reference_needs_an_alias(registry):
    with pytest.raises(ForesqlError, match=r"names no alias.*line@champion"):
        dbt_docs(["line:1"], registry)


def test_two_models_do_not_share_a_block(registry):
    line = LinearRegression().fit(FRAME[["a|b"]], [1, 2, 3, 4])
    for name, alias in (("a", "b_c"), ("a_b", "c")):
        foresql.publish(name, line, like=FRAME[["a|b"]], alias=alias, registry=registry)
    with pytest.raises(ForesqlError, match="doc block a_b_c, which another model has"):
        dbt_docs(["a@b_c", "a_b@c"], registry)
