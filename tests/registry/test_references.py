from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresql.errors import RegistryError
from foresql.registry import Reference, parse_reference
from foresql.registry.references import check_name, suggest

BAD_NAMES = [
    "",
    " ",
    "../x",
    "..",
    "a/b",
    "a\\b",
    "/etc",
    "C:",
    ".tmp-1",
    'select "x',
    "a b",
    "a-b",
    "a.b",
    "_a",
    "1a",
    "é",
    "aé",
    "a\u0131",
    "a\n",
    "a\0",
    "a" * 64,
    "a" * 100_000,
    "CON",
    "nul",
    "Com1",
    "lpt9",
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: repr(name[:10]))
def test_bad_name(registry, make_bundle, name):
    with pytest.raises(RegistryError, match=r"^The model name .{0,200}$"):
        registry.add_version(name, make_bundle(1))
    assert not list(registry.path.glob("m*"))
    for call in (registry.versions, registry.aliases, parse_reference):
        with pytest.raises(RegistryError):
            call(name)


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: repr(name[:10]))
def test_bad_alias(delay, name):
    with pytest.raises(RegistryError, match=r"The alias name .* cannot be used"):
        delay.move_alias("delay", name, 1, expected=None)
    with pytest.raises(RegistryError, match=r"The alias name .* cannot be used"):
        delay.history("delay", name)
    assert list(delay.aliases("delay")) == ["champion"]


@pytest.mark.parametrize("name", ["a", "A1_", "a" * 63, "con1", "com10", "com0", "select"])
def test_good_name(name):
    assert check_name(name, "model") == name


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("delay", Reference("delay")),
        ("delay@champion", Reference("delay", alias="champion")),
        ("delay:3", Reference("delay", version=3)),
        ("delay:999999999", Reference("delay", version=999_999_999)),
    ],
)
def test_reference(text, reference):
    assert parse_reference(text) == reference
    assert str(reference) == text


BAD_REFERENCES = ["@a", ":1", "a@", "a:", "a@b@c", "a@b:1", "a:1@b", "a@1", "a@b/../c"]
BAD_VERSIONS = ["a:0", "a:01", "a:-1", "a:1.0", "a:x", "a:\u0661", "a:1 ", "a:" + "9" * 5000]


@pytest.mark.parametrize("text", BAD_REFERENCES + BAD_VERSIONS, ids=lambda text: text[:10])
def test_bad_reference(text):
    with pytest.raises(RegistryError, match=r".{20,300}$"):
        parse_reference(text)


@given(st.text())
def test_any_text_is_a_reference_or_refused(text):
    with suppress(RegistryError):
        assert str(parse_reference(text)) == text


def test_suggestions():
    known = [f"model_{i}" for i in range(30)]
    assert suggest("DELAY", ["delay", "fare"]) == "Did you mean 'delay'? There is: delay, fare."
    assert suggest("x", ["fare"]) == "There is: fare."
    assert suggest("x", []) == "There is none yet."
    assert suggest("x", known).endswith("model_26 and 10 more.")
