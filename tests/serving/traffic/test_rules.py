"""What the file of rules may say, and what is said of one that is wrong."""

import pytest

from foresql.errors import ForesqlError
from foresql.serving import App, Settings
from foresql.serving.traffic.rules import Rules, read_rules

CANARY = 'canary = { alias = "challenger", percent = 5, key = "customer"'


def test_rules_are_read(rules):
    text = f'{CANARY}, salt = "x" }}\nshadow = {{ alias = "next" }}'
    found = read_rules(rules(text))["delay"]
    assert (found.canary.alias, found.canary.percent, found.canary.key) == (
        "challenger",
        5.0,
        "customer",
    )
    assert (found.shadow.alias, found.shadow.percent, found.shadow.key) == ("next", 100.0, None)
    assert read_rules(rules("")) == {}
    assert isinstance(found, Rules)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("canary = 5", "[delay.canary]: it needs alias, key, percent"),
        ('canary = { alias = "challenger", percent = 5 }', "it needs alias, key, percent"),
        (f"{CANARY}, more = 1 }}", "it needs alias, key, percent"),
        (CANARY.replace("5", "101") + "}", "percent is a number from 0 to 100"),
        (CANARY.replace("5", "-1") + "}", "percent is a number from 0 to 100"),
        (CANARY.replace("5", "nan") + "}", "percent is a number from 0 to 100"),
        (CANARY.replace("5", "true") + "}", "percent is a number"),
        (CANARY.replace('"customer"', '""') + "}", "key is the name of a feature"),
        (f'{CANARY}, salt = "a/b" }}', "salt has letters"),
        (CANARY.replace("challenger", "champion") + "}", "and not 'champion'"),
        (CANARY.replace("challenger", "a@b") + "}", "alias is the name of an alias"),
        ("other = 1", "it is a table with canary, shadow or both"),
        ("# nothing", "it is a table with canary, shadow or both"),
        ('canary = { alias = "x"', "cannot be read"),
        ('[delay]\nshadow = { alias = "x" }', "cannot be read"),
        ('shadow = { alias = "x" }\n["delay:1"]\nshadow = { alias = "x" }', "it is no name"),
    ],
)
def test_what_is_wrong_is_said(rules, two_versions, text, words):
    path = rules(text)
    with pytest.raises(ForesqlError, match=r"traffic\.toml") as caught:
        App(Settings(two_versions, traffic=path))
    assert words in str(caught.value)


def test_a_file_that_is_not_there(two_versions, tmp_path):
    with pytest.raises(ForesqlError, match=r"none\.toml cannot be read: No such file"):
        App(Settings(two_versions, traffic=tmp_path / "none.toml"))
