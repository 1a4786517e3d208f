"""A view whose rows all say of which generation they are, and the processes that write and read it.

generations.py write LOCATION TIMES KILLS    materialise, first killed at random moments
generations.py steps LOCATION                killed before each step in turn
generations.py read LOCATION STOP            materialise, and look up until the file STOP is there
"""

# ruff: noqa: T201 - the tests read what it prints
import itertools
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from foresql.online import Wanted, folder_target, materialize, open_online

ROWS = 300
KEYS = [(i,) for i in range(ROWS)]
_QUERY = (
    "SELECT i::INTEGER AS id, {0} AS generation, i + {0} / 8::DOUBLE AS x, "
    "repeat('g{0} ', i::INTEGER % 40) AS note FROM range({1}) t(i)"
)


def write(location, generation):
    query = _QUERY.format(generation, ROWS)
    [done] = materialize([Wanted(name="v", keys=("id",), query=query)], location, wait=60)
    assert done.problem is None, done.problem


def generation_of(rows, ids):
    """Check that rows are whole and of one generation, and name it."""
    generation = rows[0][1]
    for (key,), row in zip(ids, rows, strict=True):
        note = f"g{generation} " * (key % 40)
        assert row == (key, generation, key + generation / 8, note), row
    return generation


def in_child(act):
    """Do something in a child; whether it was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    return child


def killed(child):
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def write_often(location, times, kills):
    def forever():
        for generation in itertools.count(1):
            write(location, generation)

    for number in range(kills):
        child = in_child(forever)
        time.sleep(random.Random(number).uniform(0.01, 0.4))  # noqa: S311
        os.kill(child, signal.SIGKILL)
        assert killed(child)
        with open_online(location) as store:
            assert store.problems == {}, store.problems
            generation_of(store.views["v"].get(KEYS), KEYS)
    for generation in range(times):
        write(location, generation)
    print("done")


def write_dying(location, steps):
    """Materialise, and be killed before a step that changes something on disk."""
    left = [steps]

    def mortal(call):
        def step(*arguments, **options):
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return call(*arguments, **options)

        return step

    folder_target.sync = mortal(folder_target.sync)
    folder_target.write_rows = mortal(folder_target.write_rows)
    for name in ("replace", "unlink", "chmod", "write_bytes"):
        setattr(Path, name, mortal(getattr(Path, name)))
    write(location, 1000 + steps)


def write_by_steps(location):
    write(location, 0)
    before = 0
    for steps in itertools.count():
        died = killed(in_child(lambda: write_dying(location, steps)))  # noqa: B023
        with open_online(location) as store:
            assert store.problems == {}, store.problems
            now = generation_of(store.views["v"].get(KEYS), KEYS)
        assert now in {before, 1000 + steps}
        before = now
        if not died:
            assert now == 1000 + steps
            break
    print(steps)


def read(location, stop):
    """Look up in two threads, as an event loop and a worker do, while a third refreshes."""
    seen, failed = set(), []
    write(location, 0)
    with open_online(location) as store:
        online = store.views["v"]
        print("reading", flush=True)

        def look_up(count):
            source = random.Random(count)  # noqa: S311
            try:
                while not stop.exists() and not failed:
                    keys = KEYS if count is None else source.choices(KEYS, k=count)
                    seen.add(generation_of(online.get(keys), keys))
                    view, rows = online.look_up(keys[:1])
                    generation_of(rows, keys[:1])
                    assert view.as_of <= online.view.as_of
                    time.sleep(0.005)
            except BaseException as error:
                failed.append(error)
                raise

        threads = [threading.Thread(target=look_up, args=(n,)) for n in (3, 20, None)]
        for thread in threads:
            thread.start()
        while not stop.exists() and not failed:
            store.refresh()
            assert store.problems == {}, store.problems
            time.sleep(0.01)
        for thread in threads:
            thread.join()
    if not failed:
        print(*sorted(seen))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", location, times, kills]:
            write_often(location, int(times), int(kills))
        case ["steps", location]:
            write_by_steps(location)
        case ["read", location, stop]:
            read(location, Path(stop))
