"""The page in a real browser: drawn, quiet, alone, and never run by what the data says."""

import re
from html.parser import HTMLParser

import pytest
from chromium import Elements, show
from click.testing import CliRunner

from foresql.cli import main
from foresql.monitoring import make_report, render_page

HOSTILE = (
    "</script><script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"
)
NARROW = "--window-size=390,2000"


def with_script(page: str, script: str) -> str:
    """Add a script at the end; Vega's own text has such an end tag, too."""
    before, _, after = page.rpartition("</body>")
    return f"{before}<script>{script}</script></body>{after}"


def without_scripts(document: str) -> str:
    return re.sub(r"<script.*?</script>", "", document, flags=re.DOTALL)


@pytest.fixture(scope="module")
def flights(demo_run, tmp_path_factory):
    """The page of the demo, by the shortest command, and its figures."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    database = demo_run.workspace.database
    options = ["report", "delay@champion", "--database", str(database), "--into", str(path)]
    result = CliRunner().invoke(
        main, options, env={"FORESQL_REGISTRY": str(demo_run.workspace.registry)}
    )
    assert result.exit_code == 0, result.output
    assert f"The page is {path}." in result.output
    return path


@pytest.fixture(scope="module")
def shown(flights):
    return show(flights)


def test_plots_are_drawn(flights, shown):
    plots = [each for each in Elements(shown.document).of("div") if "plot" in each.get("class", "")]
    assert len(plots) >= 15
    assert {each.get("data-drawn") for each in plots} == {"yes"}
    drawn = re.findall(r"<svg.*?</svg>", without_scripts(shown.document), re.DOTALL)
    assert len(drawn) == len(plots)
    for each in drawn:
        # A path or symbol of a mark, not only of an axis or a background.
        marks = re.findall(
            r'class="mark-(?:rect|line|symbol)[^"]*".*?<path [^>]*d="M[^"]+"', each, re.DOTALL
        )
        assert marks, each[:500]
        assert "NaN" not in each
        assert "undefined" not in each
    assert flights.stat().st_size < 3_000_000


def test_browser_has_nothing_to_complain_of(shown):
    assert shown.console == []


def test_page_asks_for_nothing(flights, shown):
    assert shown.requests == []
    page = Elements(flights.read_text())
    for name, attributes in page.elements:
        for key, value in attributes.items():
            if key in {"src", "href", "srcset", "data", "action", "poster", "background"}:
                assert value.startswith("#"), (name, key, value)
            assert not key.startswith("on"), (name, key)
    for where, text in page.texts:
        if where == "style":
            assert not re.search(r"url\(|@import|https?:", text)
        elif where != "script":
            assert not re.search(r"https?://", text), text
    assert not {"link", "iframe", "object", "embed", "img", "base"} & {n for n, _ in page.elements}


def test_what_a_page_asks_for_is_seen(tmp_path):
    path = tmp_path / "asks.html"
    path.write_text('<img src="http://example.invalid/x.png">')
    assert show(path).requests == ["http://example.invalid/x.png"]


def test_policy_allows_only_what_is_in_the_page(flights):
    (policy,) = [
        each["content"]
        for each in Elements(flights.read_text()).of("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    assert [len(rules[name].split()) for name in ("script-src", "style-src")] == [2, 1]


def test_policy_stops_other_scripts(flights, tmp_path):
    changed = tmp_path / "changed.html"
    changed.write_text(with_script(flights.read_text(), "document.title = 'run'"))
    found = show(changed)
    assert "<title>run</title>" not in found.document
    assert any("Content Security Policy" in line for line in found.console)


def test_page_is_well_formed(flights):
    open_tags: list[str] = []
    empty = {"meta", "br", "img", "hr", "input", "link"}

    class Checker(HTMLParser):
        def handle_starttag(self, tag, attrs):
            assert len(attrs) == len(dict(attrs)), (tag, attrs)
            if tag not in empty:
                open_tags.append(tag)

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    Checker().feed(flights.read_text())
    assert open_tags == []
    names = [each["id"] for _, each in Elements(flights.read_text()).elements if "id" in each]
    assert len(names) == len(set(names))


def test_everybody_can_read_it(flights, shown):
    page = Elements(flights.read_text())
    assert page.of("html")[0]["lang"] == "en"
    names = {each["id"] for _, each in page.elements if "id" in each}
    links = [each["href"] for each in page.of("a")]
    assert links
    assert {link.removeprefix("#") for link in links} <= names
    assert len(page.of("table")) == len(page.of("caption"))
    assert {each["scope"] for each in page.of("th")} == {"col", "row"}
    plots = [each for each in Elements(shown.document).of("div") if "plot" in each.get("class", "")]
    for each in plots:
        assert len(each["aria-label"]) > 20, each
    headings = re.findall(r"<h([1-3])>", flights.read_text())
    assert headings[0] == "1"
    assert headings.count("1") == 1


def test_what_stands_on_the_page(flights):
    text = flights.read_text()
    for words in (
        "Whether a flight from New York City arrives more than 15 minutes late.",
        "delay, version 1",
        "lightgbm.sklearn.LGBMClassifier",
        "population stability index",
        "By airline",
        "By origin and destination",
        "By scheduled hour",
        "Can the numbers be taken at their word?",
        "Yes: all 7 checks pass.",
    ):
        assert words in text, words
    assert text.count("What it shows: ") >= 8


def test_narrow_screen_does_not_scroll_sideways(flights, tmp_path):
    """What is wide scrolls in a box of its own: the document is as wide as the screen."""
    page = flights.read_text()
    # The policy names the scripts' hashes, so the measuring page has none.
    measured = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    script = (
        "setTimeout(() => { const page = document.documentElement; "
        "document.title = `${page.scrollWidth} of ${page.clientWidth}`; }, 4000);"
    )
    path = tmp_path / "narrow.html"
    path.write_text(with_script(measured, script))
    document = show(path, NARROW).document
    width, of = map(int, re.search(r"<title>(\d+) of (\d+)</title>", document).groups())
    assert width <= of


@pytest.fixture
def hostile(shop):
    quoted = HOSTILE.replace("'", "''")
    shop.execute(
        f"UPDATE features SET plan = '{quoted}' WHERE hash(customer_id) % 3 = 0",
        f'ALTER TABLE features ADD COLUMN "{HOSTILE.replace(chr(34), chr(34) * 2)}" VARCHAR',
        f'UPDATE features SET "{HOSTILE.replace(chr(34), chr(34) * 2)}" = CASE WHEN '
        f"hash(customer_id) % 2 = 0 THEN '{quoted}' ELSE chr(8) || '<!--' END",
        f"UPDATE bought_predictions SET run_id = '{quoted}'",
    )
    return shop


def test_hostile_texts_are_texts(hostile, tmp_path):
    report = hostile.report(by=(HOSTILE, "plan"))
    path = tmp_path / "report.html"
    path.write_text(render_page(report), encoding="utf-8")
    found = show(path)
    assert found.console == []
    title = re.search(r"<title>(.*?)</title>", found.document)[1]
    assert title == "bought: predictions and drift"
    assert not Elements(path.read_text()).of("img")
    # It is shown as it is, in a table and in a plot.
    assert found.document.count("&lt;/script&gt;&lt;script&gt;document.title") >= 2
    scripts = [text for where, text in Elements(path.read_text()).texts if where == "script"]
    assert not any(text.startswith("document.title") for text in scripts)


@pytest.mark.parametrize("model", ["spent", "segment"])
def test_other_tasks_are_drawn_too(shops, tmp_path, model):
    path = tmp_path / "report.html"
    path.write_text(render_page(shops.report(model, by=("plan",))), encoding="utf-8")
    found = show(path)
    assert found.console == []
    assert 'data-drawn="no"' not in found.document
    assert found.document.count('data-drawn="yes"') > 5


def test_empty_tables_give_a_page(shop, tmp_path):
    shop.execute("DELETE FROM bought_predictions", "DELETE FROM outcomes")
    path = tmp_path / "report.html"
    path.write_text(render_page(shop.report()), encoding="utf-8")
    found = show(path)
    assert found.console == []
    assert "There is no prediction to show." in found.document
    drawn = re.findall(r"<svg.*?</svg>", without_scripts(found.document), re.DOTALL)
    assert not any("NaN" in each for each in drawn)
    assert not re.search(r">(nan|None|inf)%?<", found.document)


def test_same_input_same_page(shops):
    reports = [
        make_report("bought@champion", shops.database, registry=shops.registry, made_at=made_at)
        for made_at in [shops.report().made_at] * 2
    ]
    assert render_page(reports[0]) == render_page(reports[1])
