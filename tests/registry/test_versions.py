import getpass
import json
import os
import stat
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from foresql.errors import BundleError, RegistryError
from foresql.ir.bundle import encode_bundle
from foresql.registry import ANY, Catalog, ModelSummary, Registry
from foresql.registry.layout import Layout
from foresql.registry.records import current_user


def test_round_trip(registry, make_bundle, weight_of, monkeypatch):
    monkeypatch.setattr("foresql.registry.store.current_user", lambda: "ana")
    bundle = make_bundle(0.1, auc=0.73)
    version = registry.add_version("delay", bundle, description='É "x"\n\ud800')
    again = Registry(registry.path).version("delay", 1)
    assert again == version == registry.resolve("delay:1") == registry.resolve("delay")
    assert version.digest == encode_bundle(bundle)[1]
    assert (version.reference, version.created_by) == ("delay:1", "ana")
    assert version.description == 'É "x"\n\ud800'
    assert timedelta(0) <= datetime.now(UTC) - version.created_at < timedelta(minutes=1)
    loaded = registry.load(version)
    assert weight_of(loaded) == 0.1
    assert loaded.card == {"auc": 0.73}


def test_layout(delay):
    files = sorted(str(p.relative_to(delay.path)) for p in delay.path.rglob("*") if p.is_file())
    bundles = sorted(f"bundles/{v.digest}.foresql" for v in delay.versions("delay"))
    numbers = ("000001", "000002", "000003", "000004")
    assert files == [
        *bundles,
        "foresql-registry.json",
        "models/delay/aliases/champion/000001.json",
        *[f"models/delay/versions/{number}.json" for number in numbers],
    ]
    record = json.loads((delay.path / files[-1]).read_text())
    assert list(record) == [
        "name",
        "version",
        "digest",
        "created_at",
        "created_by",
        "description",
    ]


def test_models_are_listed(delay, make_bundle):
    delay.add_version("Fare", make_bundle(1))
    assert delay.models() == [
        ModelSummary("delay", (1, 2, 3, 4), {"champion": 1}),
        ModelSummary("Fare", (1,), {}),
    ]


def test_versions_never_change(delay, make_bundle):
    version = delay.version("delay", 1)
    with pytest.raises(FrozenInstanceError):
        version.version = 2
    before = {p: (p.read_bytes(), p.stat().st_ino) for p in files_of(delay)}
    delay.add_version("delay", make_bundle(1))
    delay.move_alias("delay", "champion", 5, expected=ANY)
    delay.rollback("delay", "champion")
    assert {p: (p.read_bytes(), p.stat().st_ino) for p in before} == before
    if os.name != "nt":
        assert not any(p.stat().st_mode & stat.S_IWUSR for p in files_of(delay))


def files_of(registry):
    return [path for path in registry.path.rglob("*") if path.is_file()]


def test_equal_bundles_are_stored_once(registry, make_bundle):
    first, second = (registry.add_version("delay", make_bundle(1)) for _ in range(2))
    assert (first.version, second.version) == (1, 2)
    assert first.digest == second.digest
    assert len(list((registry.path / "bundles").iterdir())) == 1


def test_a_number_that_another_process_took(registry, make_bundle, weight_of, monkeypatch):
    compete(monkeypatch, lambda: registry.add_version("delay", make_bundle(7)))
    assert registry.add_version("delay", make_bundle(8)).version == 2
    weights = [weight_of(registry.load(v)) for v in registry.versions("delay")]
    assert weights == [7, 8]


def test_a_stale_listing_of_a_network_file_system(delay, make_bundle, monkeypatch):
    monkeypatch.setattr("foresql.registry.journal.Journal.numbers", lambda _: (1,))
    assert delay.add_version("delay", make_bundle(5)).version == 5


def test_names_that_differ_by_case(delay, make_bundle):
    with pytest.raises(RegistryError, match="a model 'delay', and 'Delay' would be the same"):
        delay.add_version("Delay", make_bundle(1))
    with pytest.raises(RegistryError, match=r"no model 'DELAY' in .*Did you mean 'delay'\?"):
        delay.resolve("DELAY@champion")


def test_a_race_between_two_spellings(registry, make_bundle, monkeypatch):
    compete(monkeypatch, lambda: registry.add_version("Delay", make_bundle(1)))
    with pytest.raises(RegistryError, match="a model 'Delay'"):
        registry.add_version("delay", make_bundle(2))
    assert registry.models() == [ModelSummary("Delay", (1,), {})]


def compete(monkeypatch, act):
    """Let somebody else act just before the next version is written."""
    add_version = Layout.add_version

    def overtaken(layout, record):
        monkeypatch.setattr(Layout, "add_version", add_version)
        act()
        return add_version(layout, record)

    monkeypatch.setattr(Layout, "add_version", overtaken)


# -- References -----------------------------------------------------------------------------------


def test_resolve(delay):
    assert delay.resolve("delay@champion").version == 1
    assert delay.resolve("delay:4").version == 4


UNKNOWN = [
    ("delay", r"has 4 versions; say which one is meant: delay@champion, delay:4, or"),
    ("dealy", r"no model 'dealy' in .*registry\. Did you mean 'delay'\? There is: delay\."),
    ("fare:1", r"There is no model 'fare' in .*\. There is: delay\."),
    ("delay@champoin", r"no alias 'champoin'. Did you mean 'champion'\? There is: champion\."),
    ("delay:5", r"Model 'delay' has no version 5. It has versions 1 to 4\."),
    ("delay:999999999", r"It has versions 1 to 4\."),
]


@pytest.mark.parametrize(("reference", "message"), UNKNOWN)
def test_unknown(delay, reference, message):
    with pytest.raises(RegistryError, match=message):
        delay.resolve(reference)


def test_unknown_where_there_is_little(registry, make_bundle):
    with pytest.raises(RegistryError, match=r"no model 'delay' in .*There is none yet\."):
        registry.resolve("delay")
    registry.add_version("delay", make_bundle(1))
    with pytest.raises(RegistryError, match=r"no alias 'champion'. There is none yet\."):
        registry.resolve("delay@champion")
    with pytest.raises(RegistryError, match=r"no version 2. It has version 1\."):
        registry.resolve("delay:2")


# -- Damage ---------------------------------------------------------------------------------------


def bundle_file(registry, number=1):
    path = registry.path / "bundles" / f"{registry.version('delay', number).digest}.foresql"
    path.chmod(0o600)
    return path


def test_damaged_bundles_are_refused_and_publishing_again_heals_them(delay, make_bundle):
    path = bundle_file(delay)
    whole = path.read_bytes()
    other = bundle_file(delay, 2).read_bytes()
    edited = whole.replace(b'"x"', b'"z"')
    future = whole.replace(b'"format_version": 2', b'"format_version": 3')
    for damaged in (b"", whole[:-1], whole[: len(whole) // 2], edited, future, other):
        path.chmod(0o600)
        path.write_bytes(damaged)
        with pytest.raises(BundleError, match=rf"(?s){path}.*publish the model again"):
            delay.load(delay.version("delay", 1))
        delay.add_version("delay", make_bundle(1))
        assert path.read_bytes() == whole
    assert delay.load(delay.version("delay", 1))


def test_missing_bundle(delay):
    bundle_file(delay).unlink()
    with pytest.raises(BundleError, match="There is no bundle at"):
        delay.load(delay.resolve("delay:1"))


DAMAGE = [
    "",
    "{",
    "[]",
    "null",
    "{}",
    '{"name": "delay"}',
    ("version", 2),
    ("version", True),
    ("version", "1"),
    ("version", 0),
    ("name", "fare"),
    ("name", 1),
    ("digest", "../../x"),
    ("digest", "0" * 63),
    ("created_at", "yesterday"),
    ("created_at", "2020-01-01T00:00:00"),
    ("created_at", 5),
    ("description", None),
    ("more", 1),
]


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_damaged_record(delay, damage):
    path = delay.path / "models/delay/versions/000001.json"
    if isinstance(damage, tuple):
        damage = json.dumps(json.loads(path.read_bytes()) | dict([damage]))
    path.chmod(0o600)
    path.write_text(damage)
    for call in (delay.models, lambda: delay.resolve("delay@champion")):
        with pytest.raises(RegistryError, match=rf"(?s){path} is damaged.*from a backup"):
            call()


@pytest.mark.parametrize("damage", [("reason", "mood"), ("sequence", 2), ("alias", "best")])
def test_damaged_move(delay, damage):
    path = delay.path / "models/delay/aliases/champion/000001.json"
    path.chmod(0o600)
    path.write_text(json.dumps(json.loads(path.read_bytes()) | dict([damage])))
    with pytest.raises(RegistryError, match=rf"{path} is damaged"):
        delay.resolve("delay@champion")


def test_an_alias_whose_version_is_gone(delay):
    (delay.path / "models/delay/versions/000001.json").unlink()
    with pytest.raises(RegistryError, match=r"000001\.json cannot be read: No such file"):
        delay.resolve("delay@champion")


def test_strange_files_are_passed_over(delay):
    versions = delay.path / "models/delay/versions"
    for name in (".tmp-1", "x.json", "7.json", "000007.txt", "000007.json~"):
        (versions / name).touch()
    (delay.path / "models/.DS_Store").touch()
    (delay.path / "models/notes").mkdir()
    (delay.path / "models/delay/aliases/empty").mkdir()
    assert delay.models() == [ModelSummary("delay", (1, 2, 3, 4), {"champion": 1})]


def test_a_model_that_cannot_be_read_back_is_not_published(registry, make_bundle):
    bundle = make_bundle(1)
    step = bundle.model.steps[0]
    object.__setattr__(step, "weights", np.zeros((2, 1)))
    with pytest.raises(BundleError):
        registry.add_version("delay", bundle)
    with pytest.raises(BundleError, match="card"):
        registry.add_version("delay", make_bundle(1, auc=float("nan")))
    assert registry.models() == []
    assert not list(registry.path.glob("bundles/*"))


# -- Rights and users -----------------------------------------------------------------------------


def test_a_catalog_only_reads(delay):
    catalog = Catalog(delay.path)
    assert catalog.load(catalog.resolve("delay@champion"))
    assert not hasattr(catalog, "add_version")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(delay, make_bundle):
    folders = [delay.path, *(p for p in delay.path.rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    assert Registry.open(delay.path, create=True).load(delay.resolve("delay@champion"))
    with pytest.raises(RegistryError, match="cannot be written: Permission denied"):
        delay.add_version("delay", make_bundle(9))
    for folder in folders:
        folder.chmod(0o700)


def test_a_user_without_a_name(monkeypatch):
    def nobody():
        raise KeyError("getpwuid(): uid not found: 1234")

    assert current_user() == getpass.getuser()
    monkeypatch.setattr(getpass, "getuser", nobody)
    assert current_user() == "unknown"


def test_clean(delay):
    old = delay.path / "bundles/.tmp-1"
    old.touch()
    os.utime(old, (0, 0))
    (delay.path / "models/delay/versions/.tmp-2").touch()
    before = delay.models()
    assert delay.clean() == (old,)
    assert len(delay.clean(older_than=-1)) == 1
    assert delay.models() == before


def test_records_are_small(delay):
    assert all(path.stat().st_size < 1000 for path in files_of(delay) if path.suffix == ".json")
