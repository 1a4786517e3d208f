import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foresql.errors import RegistryError
from foresql.registry import ANY, AliasMove, Reason, Registry
from foresql.registry.aliases import previous_version
from foresql.registry.layout import Layout


def test_a_move_says_who_when_and_why(delay, monkeypatch):
    monkeypatch.setattr("foresql.registry.store.current_user", lambda: "ana")
    move = delay.move_alias("delay", "champion", 2, expected=1)
    assert delay.alias("delay", "champion") == move
    assert (move.sequence, move.version, move.moved_by) == (2, 2, "ana")
    assert move.reason is Reason.PROMOTE
    assert timedelta(0) <= datetime.now(UTC) - move.moved_at < timedelta(minutes=1)
    assert delay.aliases("delay") == {"champion": move}
    assert [m.version for m in delay.history("delay", "champion")] == [1, 2]
    assert delay.models()[0].aliases == {"champion": 2}


@pytest.mark.parametrize("expected", [2, None])
def test_a_move_from_elsewhere_is_refused_and_names_the_mover(delay, expected):
    before = delay.history("delay", "champion")
    mover, time = before[0].moved_by, before[0].moved_at.isoformat(" ", "seconds")
    said = re.escape(f"{mover} moved it there at {time} (publish)")
    with pytest.raises(RegistryError, match=rf"delay@champion is at version 1, .*{said}"):
        delay.move_alias("delay", "champion", 3, expected=expected)
    assert delay.history("delay", "champion") == before


def test_a_new_alias_is_expected_not_to_exist(delay):
    with pytest.raises(RegistryError, match=r"does not exist, so it is not at version 1.*None"):
        delay.move_alias("delay", "challenger", 2, expected=1)
    assert delay.move_alias("delay", "challenger", 2, expected=None).sequence == 1
    assert delay.move_alias("delay", "third", 2, expected=ANY).sequence == 1


def test_a_move_to_where_it_is_changes_nothing(delay):
    head = delay.alias("delay", "champion")
    for expected in (1, ANY):
        assert delay.move_alias("delay", "champion", 1, expected=expected) == head
    with pytest.raises(RegistryError, match="not 2"):
        delay.move_alias("delay", "champion", 1, expected=2)
    assert delay.history("delay", "champion") == [head]


def test_a_move_to_an_unknown_version(delay):
    with pytest.raises(RegistryError, match=r"no version 5. It has versions 1 to 4"):
        delay.move_alias("delay", "champion", 5, expected=ANY)


def test_a_rollback_is_no_reason_that_a_caller_gives(delay):
    with pytest.raises(RegistryError, match=r"'rollback' is no reason.*rollback\(\)"):
        delay.move_alias("delay", "champion", 2, expected=ANY, reason="rollback")


def test_aliases_that_differ_by_case(delay):
    with pytest.raises(RegistryError, match=r"has an alias 'champion'.*only by case"):
        delay.move_alias("delay", "Champion", 2, expected=ANY)
    with pytest.raises(RegistryError, match=r"no alias 'Champion'. Did you mean 'champion'\?"):
        delay.resolve("delay@Champion")


def test_the_loser_of_a_race_is_told(delay, monkeypatch):
    compete(monkeypatch, lambda: delay.move_alias("delay", "champion", 3, expected=1))
    with pytest.raises(RegistryError, match=r"is at version 3, not 1"):
        delay.move_alias("delay", "champion", 2, expected=1)
    assert [m.version for m in delay.history("delay", "champion")] == [1, 3]


def test_whoever_expects_anything_comes_after_the_winner(delay, monkeypatch):
    compete(monkeypatch, lambda: delay.move_alias("delay", "champion", 3, expected=1))
    delay.move_alias("delay", "champion", 2, expected=ANY)
    assert [m.version for m in delay.history("delay", "champion")] == [1, 3, 2]


def test_a_race_between_two_spellings(delay, monkeypatch):
    compete(monkeypatch, lambda: delay.move_alias("delay", "Best", 3, expected=None))
    with pytest.raises(RegistryError, match="only by case"):
        delay.move_alias("delay", "best", 2, expected=ANY)
    assert set(delay.aliases("delay")) == {"Best", "champion"}


def test_a_rollback_that_comes_too_late_changes_nothing(delay, monkeypatch):
    delay.move_alias("delay", "champion", 2, expected=1)
    compete(monkeypatch, lambda: delay.move_alias("delay", "champion", 3, expected=2))
    with pytest.raises(RegistryError, match=r"is at version 3, no longer at 2: .*\(promote\)"):
        delay.rollback("delay", "champion")
    assert delay.alias("delay", "champion").version == 3


def compete(monkeypatch, act):
    """Let somebody else act just before the next move is written."""
    add_move = Layout.add_move

    def overtaken(layout, record):
        monkeypatch.setattr(Layout, "add_move", add_move)
        act()
        return add_move(layout, record)

    monkeypatch.setattr(Layout, "add_move", overtaken)


def test_rollback_goes_further_back_each_time(delay):
    for version in (2, 3):
        delay.move_alias("delay", "champion", version, expected=ANY)
    assert delay.rollback("delay", "champion").version == 2
    move = delay.rollback("delay", "champion")
    assert (move.version, move.reason, move.sequence) == (1, Reason.ROLLBACK, 5)
    with pytest.raises(RegistryError, match="no version before 1, so it cannot be rolled back"):
        delay.rollback("delay", "champion")


def test_no_rollback_returns_to_what_one_has_left(delay):
    delay.move_alias("delay", "champion", 3, expected=1)
    delay.rollback("delay", "champion")
    delay.move_alias("delay", "champion", 4, expected=1)
    assert delay.rollback("delay", "champion").version == 1


@given(st.lists(st.sampled_from([1, 2, 3, 4, "rollback"])))
def test_rollback_is_a_stack(actions):
    stack, moves = [], []
    for action in ["start", *actions]:
        if action == "rollback":
            if len(stack) < 2:
                with pytest.raises(RegistryError, match="cannot be rolled back"):
                    previous_version(moves)
                continue
            assert previous_version(moves) == stack[-2]
            stack.pop()
            reason = Reason.ROLLBACK
        else:
            stack.append(action if action != "start" else 1)
            reason = Reason.PROMOTE
        time = datetime.now(UTC)
        moves.append(AliasMove("m", "a", len(moves) + 1, stack[-1], time, "ana", reason))


def test_a_history_with_a_hole_is_not_rolled_back(delay):
    for version in (2, 3):
        delay.move_alias("delay", "champion", version, expected=ANY)
    (delay.path / "models/delay/aliases/champion/000002.json").unlink()
    with pytest.raises(RegistryError, match=r"damaged: move 2 is missing.*Promote"):
        delay.rollback("delay", "champion")
    assert delay.resolve("delay@champion").version == 3
    assert delay.move_alias("delay", "champion", 1, expected=3).sequence == 4


def test_rollback_of_what_is_not_there(delay):
    with pytest.raises(RegistryError, match=r"no alias 'chmpion'. Did you mean 'champion'\?"):
        delay.rollback("delay", "chmpion")
    with pytest.raises(RegistryError, match="no model 'dely'"):
        Registry(delay.path).rollback("dely", "champion")
