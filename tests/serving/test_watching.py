"""The thread that looks at files: it ends before the process does, or is given up."""

import threading

from foresql.serving import watching


def test_a_look_that_is_under_way_is_waited_for():
    """Else a look that is in DuckDB's code when Python ends would abort the process."""
    entered, may_go_on, done = threading.Event(), threading.Event(), []

    def look():
        entered.set()
        may_go_on.wait()
        done.append(True)

    watcher = watching.Watcher(0.001, look)
    watcher.start()
    entered.wait()
    threading.Timer(0.2, may_go_on.set).start()
    watcher.stop()
    assert done == [True]
    assert not watcher.is_alive()


def test_one_that_does_not_end_is_given_up(monkeypatch):
    monkeypatch.setattr(watching, "PATIENCE", 0.05)
    entered, may_go_on = threading.Event(), threading.Event()

    def look():
        entered.set()
        may_go_on.wait()

    watcher = watching.Watcher(0.001, look)
    watcher.start()
    entered.wait()
    watcher.stop()
    assert watcher.is_alive()
    may_go_on.set()
    watcher.join()


def test_one_that_never_began_ends():
    watching.Watcher(1.0).stop()
