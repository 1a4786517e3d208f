"""The page in a real browser: by keyboard, quiet, alone, and never run by what the data says."""

import json
import re
import shlex
import shutil

import httpx
import numpy as np
import pandas as pd
import pytest
from browsing import Browser
from endpoint_shop import JOINED, Shop
from every_type import EVERY_TYPE, SENT, TYPED, TYPES
from serving_process import Server, sha256
from sklearn.ensemble import HistGradientBoostingRegressor

import foresql

HOSTILE = (
    "</script><script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"
)
KEYS = f"""
[user]
sha256 = "{sha256("the-key")}"
models = {{ "*" = ["read", "predict"] }}

[caller]
sha256 = "{sha256("callers-key")}"
models = {{ delay = ["predict"] }}

[guest]
sha256 = "{sha256("guests-key")}"
models = {{ every_type = ["predict"] }}
"""
NARROW = 360
OFFERED = "['explain', 'interval', 'options'].some(id => at(id).checkVisibility())"


@pytest.fixture(scope="module")
def server(published, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    (folder / "keys.toml").write_text(KEYS)
    registry = shutil.copytree(published, folder / "registry")
    publish_hostile(registry)
    shop = Shop(folder, registry)
    shop.write(EVERY_TYPE.format(name=HOSTILE.replace('"', '""')), TYPES, "every_type")
    shop.write(JOINED.format(join="LEFT JOIN"))
    views = ("--endpoints", shop.folder, "--online", shop.online, "--database", shop.database)
    server = Server(registry, "--keys", folder / "keys.toml", *views)
    yield server
    assert server.stop() == 0
    assert server.errors == ""


def publish_hostile(registry):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            HOSTILE: rng.normal(size=200),
            'it\'s \\ "${x}" `y`': pd.Categorical(rng.choice([HOSTILE, "b'c"], 200)),
        }
    )
    model = HistGradientBoostingRegressor(max_iter=3, categorical_features="from_dtype")
    model.fit(frame, frame[HOSTILE])
    foresql.publish(
        "hostile", model, like=frame, registry=registry, probe_rows=100, alias="champion",
        description=HOSTILE,
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def page(browser, server):
    """The page as it is opened: without a key."""
    browser.open(server.url + "/")
    browser.wait_for("at('models-problem').textContent")
    return browser


def choose(page, name, key="the-key"):
    page.run("at('key').focus()")
    page.type(key)
    page.press("Enter")
    page.wait_for("!at('choice').hidden")
    page.run(f"at('model').value = {name!r}; at('model').dispatchEvent(new Event('change'))")
    page.wait_for(f"!at('ask').hidden && at('model').value === {name!r}")


def ask(server, name, rows, **options):
    headers = {"authorization": "Bearer the-key"}
    return httpx.post(
        f"{server.url}/predict/{name}", json={"rows": rows, **options}, headers=headers
    ).json()["answers"]


def fill(page, rows):
    page.run("".join(["at('add').click();"] * (len(rows) - 1)))
    page.run(
        "[...document.querySelectorAll('.row')].forEach((row, i) => row.querySelectorAll('.field')"
        f".forEach((field, j) => field.value = {rows}[i][j]))"
    )


def answered(page):
    page.wait_for("document.querySelector('.value, td') || at('problem').textContent")
    assert page.run("at('problem').textContent") == ""


def test_by_keyboard_alone(page, server):
    assert "key" in page.run("at('models-problem').textContent")
    assert page.run("document.activeElement.id") == "key"
    choose(page, "delay@champion")
    assert page.run(OFFERED)
    page.run("document.querySelector('.field').focus()")
    page.type("733.0000000000000001")
    page.press("Tab")
    page.type("4")
    page.press("Tab")
    page.press(" ")
    assert page.run("at('explain').checked")
    page.run("at('interval').value = '0.9'")
    page.press("Tab")
    page.press("Tab")
    page.press("Enter")
    answered(page)
    row = {"distance": 733.0, "dep delay": 4}
    (expected,) = ask(server, "delay", [row], explain=True, interval=0.9)
    assert page.run("document.querySelector('.value').textContent") == repr(expected["value"])
    shown = {*map(float, re.findall(r"-?\d[\d.e+-]*", page.run("at('answers').innerText")))}
    assert {*expected["interval"].values()} <= shown
    assert {*expected["explanation"]["contributions"].values()} <= shown
    assert page.run("document.activeElement.id") == "answer-title"
    widths = page.run("[...document.querySelectorAll('.bar i')].map(each => each.offsetWidth)")
    assert len(widths) == 2
    assert max(widths) > 0
    curl = page.run("at('curl').textContent")
    assert "733.0000000000000001" in curl
    assert '-H "Authorization: Bearer $KEY"' in curl


def test_the_key_is_kept_nowhere(page):
    choose(page, "delay@champion")
    assert "the-key" not in page.run("document.documentElement.outerHTML")
    assert page.run("localStorage.length + sessionStorage.length + document.cookie.length") == 0
    assert not [url for url in page.requests if "the-key" in url]


def test_several_rows_and_probabilities(page, server):
    choose(page, "kinds@champion")
    rows = [
        {'the "hour"': 7, "carrier": "naïve ☃", "weekend": True, "at": "2013-01-01"},
        {'the "hour"': 9007199254740993, "carrier": None, "weekend": None, "at": None},
    ]
    texts = [["7", "naïve ☃", "true", "2013-01-01"], ["9007199254740993", "", "", ""]]
    fill(page, texts)
    assert "9007199254740993" in page.run("body()")
    page.run("document.querySelector('button.main').click()")
    answered(page)
    expected = ask(server, "kinds", rows)
    shown = page.run("[...document.querySelectorAll('.value')].map(each => each.textContent)")
    assert shown == [str(answer["value"]) for answer in expected]
    text = page.run("at('answers').innerText")
    assert all(repr(p) in text for answer in expected for p in answer["probability"].values())


def test_who_may_only_predict_gets_a_form_too(page):
    choose(page, "delay@champion", "callers-key")
    assert page.run("[...at('model').options].map(each => each.value)") == [
        "delay@champion",
        "delay:1",
    ]
    page.run("document.querySelector('button.main').click()")
    answered(page)


def cells(page):
    """The table of an endpoint's answers: its rows, and the names above them first."""
    return page.run(
        "[...document.querySelectorAll('#answers tr')]"
        ".map(row => [...row.children].map(each => each.textContent))"
    )


def shown(value):
    match value:
        case None:
            return "missing"
        case bool():
            return str(value).lower()
        case list():
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        case _:
            return str(value)


def test_an_endpoint_of_every_type(page, server):
    choose(page, "every_type")
    names = page.run("[...at('model').options].map(each => each.value)")
    assert names[-2:] == ["every_type", "late_flight"]
    assert not page.run(OFFERED)
    fill(page, TYPED)
    assert json.loads(page.run("body()")) == {"rows": SENT}
    page.run("document.querySelector('button.main').click()")
    answered(page)
    expected = ask(server, "every_type", SENT)
    assert [row["id"] for row in expected] == [7, -(2**31)]
    head, *rows = cells(page)
    assert head == ["Row", *expected[0]]
    assert [row[0] for row in rows] == ["1", "3"]
    assert [row[1:] for row in rows] == [[*map(shown, each.values())] for each in expected]
    assert "nothing for row 2." in page.run("at('answers').innerText")
    assert page.run("document.activeElement.id") == "answer-title"
    assert "every_type'" in page.run("at('curl').textContent")
    assert page.run("document.title") == "Try a model"
    assert not [each for each in page.complaints if "401" not in str(each)]
    assert page.run("document.querySelector('[role=region]').ariaLabel") == "Answers"
    for width in (NARROW, 1280):
        page.dress(width)
        assert page.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("place", "name"), [(0, "id"), (1, "far"), (6, "small")])
def test_what_an_endpoint_takes_as_a_number(page, place, name):
    choose(page, "every_type")
    page.run(f"document.querySelectorAll('.field')[{place}].value = '1, \"x\": 2'")
    page.run("document.querySelector('button.main').click()")
    assert page.run("at('problem').textContent").startswith(f'{name}: "1, \\"x\\": 2" is no ')


def test_an_endpoint_that_leaves_all_rows_out(page):
    choose(page, "every_type")
    fill(page, TYPED[1:2])
    page.run("document.querySelector('button.main').click()")
    page.wait_for("at('answers').textContent.includes('answers nothing for row 1.')")
    assert cells(page) == []


def test_an_endpoint_that_looks_features_up(page, server):
    choose(page, "late_flight")
    assert "Looks up weather by origin" in page.run("at('about').textContent")
    fill(page, [["JFK", "700"]])
    page.run("document.querySelector('button.main').click()")
    answered(page)
    [expected] = ask(server, "late_flight", [{"origin": "JFK", "distance": 700}])
    assert expected["delay"] == 7.5
    assert cells(page) == [["Row", *expected], ["1", *map(shown, expected.values())]]
    assert "weather as of 20" in page.run("at('answers').innerText")
    fill(page, [["none", "700"]])
    page.run("document.querySelector('button.main').click()")
    page.wait_for("at('problem').textContent.includes('none')")
    assert cells(page) == []


def test_who_may_only_ask_an_endpoint_gets_its_form_too(page, server):
    choose(page, "every_type", "guests-key")
    assert page.run("[...at('model').options].map(each => each.value)") == ["every_type"]
    assert not page.run(OFFERED)
    fill(page, TYPED)
    page.run("document.querySelector('button.main').click()")
    answered(page)
    expected = ask(server, "every_type", SENT)
    assert [row[1:] for row in cells(page)[1:]] == [[*map(shown, e.values())] for e in expected]


def test_what_comes_too_late_is_not_shown(page):
    choose(page, "delay@champion")
    made = page.run("made")
    page.run("Promise.all([openModel(), openModel()])")
    assert page.run("made") == made + 2  # one form of two columns
    page.run("Promise.all([predict(), predict()])")
    assert page.run("document.querySelectorAll('article').length") == 1
    # The answer to what was asked first comes last.
    page.run(
        "window.there = ask; window.put = v => document.querySelectorAll('.field')[1].value = v;"
        "ask = (...what) => there(...what).then(found => new Promise(go => window.late = () =>"
        " go(found))); put(-50); window.first = predict(); ask = there; put(50)"
    )
    page.run("predict()")
    page.wait_for("window.late")
    shown = page.run("document.querySelector('.value').textContent")
    page.run("late(); first")
    assert page.run("document.querySelector('.value').textContent") == shown
    assert '"dep delay": 50' in page.run("at('curl').textContent")
    page.run("put(-50); predict()")
    assert page.run("document.querySelector('.value').textContent") != shown


def test_what_is_wrong_is_said(page):
    choose(page, "delay@champion")
    page.run("document.querySelector('.field').value = '1,5'")
    page.run("document.querySelector('button.main').click()")
    assert page.run("at('problem').textContent") == 'distance: "1,5" is no number, such as 12.5.'
    assert page.run("document.activeElement.getAttribute('aria-invalid')") == "true"


def test_names_are_text_and_no_markup(page, server):
    choose(page, "hostile@champion")
    page.run("document.querySelectorAll('.field')[0].value = '0.5'")
    page.run(f"document.querySelectorAll('.field')[1].value = {HOSTILE!r}")
    page.run("at('explain').click(); document.querySelector('button.main').click()")
    answered(page)
    assert page.run("document.title") == "Try a model"
    assert page.run("document.querySelectorAll('img').length") == 0
    assert page.run("document.querySelectorAll('script').length") == 1
    assert HOSTILE in page.run("at('rows').textContent")
    assert HOSTILE in page.run("at('answers').textContent")
    row = {HOSTILE: 0.5, 'it\'s \\ "${x}" `y`': HOSTILE}
    (expected,) = ask(server, "hostile", [row])
    assert page.run("document.querySelector('.value').textContent") == repr(expected["value"])


def test_the_line_of_curl_is_safe_in_a_shell(page):
    choose(page, "hostile@champion")
    page.run(f"document.querySelectorAll('.field')[1].value = {chr(39) + HOSTILE + '$(id)'!r}")
    page.run("document.querySelector('button.main').click()")
    answered(page)
    words = shlex.split(page.run("at('curl').textContent"))
    assert words[-1] == page.run("body()")
    assert words[:3] == ["curl", "-H", "Authorization: Bearer $KEY"]


def test_it_is_alone_and_quiet(page, server):
    choose(page, "delay@champion")
    page.run("document.querySelector('button.main').click()")
    answered(page)
    assert page.requests
    assert all(url.startswith(server.url + "/") for url in page.requests)
    # The browser notes the first request, which had no key.
    notes = [each.get("entry", each) for each in page.complaints]
    assert all("401" in note.get("text", "") for note in notes), notes


def test_the_policy_stops_other_scripts(page):
    page.run(
        "document.body.append(Object.assign(document.createElement('script'),"
        " {textContent: \"document.title = 'run'\"}))"
    )
    assert page.run("document.title") == "Try a model"
    assert page.run("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'stopped')") == "stopped"
    assert any("Content Security Policy" in str(each) for each in page.complaints)


@pytest.mark.parametrize("is_dark", [False, True])
@pytest.mark.parametrize("width", [NARROW, 1280])
def test_everybody_can_use_it(page, width, is_dark):
    page.dress(width, is_dark=is_dark)
    choose(page, "hostile@champion")
    page.run("at('explain').click(); document.querySelector('button.main').click()")
    answered(page)
    assert page.run("document.documentElement.scrollWidth") <= width
    unnamed = "[...document.querySelectorAll('input, select')].filter(e => !e.labels.length).length"
    assert page.run(unnamed) == 0
    small = "[...document.querySelectorAll('button')].filter(e => !e.hidden && e.offsetHeight < 24)"
    assert page.run(small + ".length") == 0
    pairs = page.run(
        "['body', '.hint', '.value', 'button.main'].map(each => {"
        "  const style = getComputedStyle(document.querySelector(each));"
        "  let box = document.querySelector(each);"
        "  const ground = () => getComputedStyle(box).backgroundColor;"
        "  while (ground() === 'rgba(0, 0, 0, 0)') box = box.parentElement;"
        "  return [style.color, ground()]; })"
    )
    assert all(contrast(*pair) >= 4.5 for pair in pairs), pairs
    page.dress(1280)


def contrast(*colours):
    """The ratio of WCAG 2: of the lighter luminance to the darker one."""

    def luminance(colour):
        parts = [int(each) / 255 for each in re.findall(r"\d+", colour)[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted(map(luminance, colours))
    return (high + 0.05) / (low + 0.05)


def test_its_headers_and_nothing_of_anybody(shared):
    response = shared.get("/")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    rules = dict(
        rule.strip().split(" ", 1)
        for rule in response.headers["content-security-policy"].split(";")
    )
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in str(rules)
    assert [len(rules[name].split()) for name in ("script-src", "style-src")] == [1, 1]
    assert "delay" not in response.text
    assert not re.search(r"https?://", response.text)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", response.text
    )
