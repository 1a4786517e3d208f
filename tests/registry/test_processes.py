import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from foresql.registry import ANY, Registry


@pytest.mark.parametrize("count", [2, 4])
def test_publishing_at_once_loses_nothing(tmp_path, at_once, weight_of, count):
    path = tmp_path / "registry"  # nobody made it: the first of them does
    each = 20 // count
    commands = [
        ["publish", path, "delay", *range(100 * i, 100 * i + each), 7] for i in range(count)
    ]
    got = {number: weight for pairs in at_once(*commands) for number, weight in pairs}
    registry = Registry(path)
    versions = registry.versions("delay")
    assert [version.version for version in versions] == list(range(1, 20 + count + 1))
    assert {v.version: weight_of(registry.load(v)) for v in versions} == got
    history = registry.history("delay", "latest")
    assert [move.sequence for move in history] == list(range(1, len(versions) + 1))
    assert {move.version for move in history} == set(got)
    assert not list(path.rglob(".*"))


def test_each_move_of_a_raced_alias_has_one_winner(delay, make_bundle, at_once):
    top = 20
    for weight in range(5, top + 1):
        delay.add_version("delay", make_bundle(weight))
    won = at_once(*[["climb", delay.path, "champion", top]] * 4)
    assert sorted(version for versions in won for version in versions) == list(range(1, top))
    assert [move.version for move in delay.history("delay", "champion")] == list(range(1, top + 1))


def test_one_spelling_wins(tmp_path, at_once):
    for attempt in range(10):
        path = tmp_path / f"{attempt}"
        commands = [["spell", path, name] for name in ("delay", "Delay", "DELAY", "delaY")]
        assert sorted(at_once(*commands)) == ["refused", "refused", "refused", "taken"]
        assert [model.versions for model in Registry(path).models()] == [(1,)]


def test_rollbacks_at_once_each_go_one_further_back_or_are_refused(delay, at_once):
    for version in (2, 3, 4):
        delay.move_alias("delay", "champion", version, expected=ANY)
    answers = at_once(*[["roll_back", delay.path, "champion"]] * 3)
    went = sorted((version for version in answers if version), reverse=True)
    assert went == [3, 2, 1][: len(went)]
    assert delay.alias("delay", "champion").version == went[-1]


def test_reading_while_others_publish(registry, make_bundle, at_once, reading):
    registry.add_version("delay", make_bundle(0))
    registry.move_alias("delay", "latest", 1, expected=None)
    with reading(registry) as seen:
        at_once(*[["publish", registry.path, "delay", *range(40)]] * 2)
    assert seen == sorted(seen)
    assert len(seen) > 2
    assert registry.models()[0].versions == tuple(range(1, 82))


def test_a_backup_made_while_others_publish_is_a_registry(registry, make_bundle, at_once, tmp_path):
    registry.add_version("delay", make_bundle(0))
    registry.move_alias("delay", "latest", 1, expected=None)
    backups = []
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(at_once, *[["publish", registry.path, "delay", *range(40)]] * 2)
        while not work.done():
            backups.append(tmp_path / f"{len(backups)}.tar")
            run_in(registry.path, documented_backup(backups[-1]))
    for backup in backups:
        backup.with_suffix("").mkdir()
        run_in(backup.with_suffix(""), f"tar -xf {backup}")
        copy = Registry(backup.with_suffix(""))
        assert [copy.load(version) for version in copy.versions("delay")]
        assert copy.load(copy.resolve("delay@latest"))


def documented_backup(target: Path) -> str:
    page = Path(__file__).parents[2] / "docs/registry.md"
    command = re.search(r"^tar .*", page.read_text(), re.MULTILINE)[0]
    return command.replace("registry.tar", str(target))


def run_in(folder: Path, command: str) -> None:
    subprocess.run(["sh", "-c", command], cwd=folder, check=False)
