"""Lives the same life of a registry again and again, killed one system call later each time.

`test_kill.py` runs it in a process of its own, because it forks.
"""

import os
import signal
import stat
import sys
from pathlib import Path

from worker import Registry, make_bundle

CALLS = ("open", "link", "fsync", "replace", "mkdir", "unlink")


def heal(folder: Path) -> None:
    """Publish again what is in a bundle that lost its bytes."""
    damaged = folder / "bundles" / f"{Registry(folder).version('delay', 1).digest}.foresql"
    damaged.chmod(0o600)
    damaged.write_bytes(b"")
    Registry(folder).add_version("delay", make_bundle(1))


# Each act, and what is there once it is done: how many versions, and where the champion is.
LIFE = (
    (lambda folder: Registry.open(folder, create=True), (0, None)),
    (lambda folder: Registry(folder).add_version("delay", make_bundle(1)), (1, None)),
    (lambda folder: Registry(folder).move_alias("delay", "champion", 1, expected=None), (1, 1)),
    (lambda folder: Registry(folder).add_version("delay", make_bundle(2)), (2, 1)),
    (lambda folder: Registry(folder).move_alias("delay", "champion", 2, expected=1), (2, 2)),
    (lambda folder: Registry(folder).rollback("delay", "champion"), (2, 1)),
    (heal, (3, 1)),
)
STATES = [(0, None), *(state for _, state in LIFE)]


def live(folder: Path, dies_at: int) -> bool:
    """Live in a child; whether it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        kill_at(dies_at)
        for act, _ in LIFE:
            act(folder)
            os.write(writer, b".")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        done = len(pipe.read())
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or status == 0
    assert os.WIFSIGNALED(status) == (done < len(LIFE))
    check_what_is_left(folder, done)
    return os.WIFSIGNALED(status)


def kill_at(countdown: int) -> None:
    left = countdown

    def mortal(name, call):
        def step(*arguments, **options):
            nonlocal left
            if left == 0:
                if name == "fsync":
                    lose_half(arguments[0])
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return call(*arguments, **options)

        return step

    for name in CALLS:
        setattr(os, name, mortal(name, getattr(os, name)))


def lose_half(descriptor: int) -> None:
    """Leave a file as it is when a process dies while it writes."""
    file = os.fstat(descriptor)
    if stat.S_ISREG(file.st_mode):
        os.ftruncate(descriptor, file.st_size // 2)


def check_what_is_left(folder: Path, done: int) -> None:
    """The act in which death came has happened or has not; all is whole, and work goes on."""
    registry = Registry.open(folder, create=True)
    found = state_of(registry)
    assert found in STATES[done : done + 2], (found, done)
    if done != len(LIFE) - 1:  # the bundle was damaged on purpose, and may not be whole yet
        check_whole(registry)
    version = registry.add_version("delay", make_bundle(1))
    assert version.version == found[0] + 1
    move = registry.move_alias("delay", "champion", version.version, expected=found[1])
    assert registry.alias("delay", "champion") == move
    check_whole(registry)
    registry.clean(older_than=-1)
    assert not list(folder.rglob(".*"))
    check_whole(registry)


def state_of(registry: Registry) -> tuple[int, int | None]:
    models = registry.models()
    if not models:
        return 0, None
    return len(models[0].versions), models[0].aliases.get("champion")


def check_whole(registry: Registry) -> None:
    for model in registry.models():
        assert model.versions == tuple(range(1, len(model.versions) + 1))
        for version in registry.versions(model.name):
            registry.load(version)
        for alias in model.aliases:
            registry.resolve(f"{model.name}@{alias}")
            registry.history(model.name, alias)


if __name__ == "__main__":
    os.fsync = lambda _: None  # processes die here, the machine does not
    deaths = 0
    while live(Path(sys.argv[1], f"{deaths}"), dies_at=deaths):
        deaths += 1
    print(deaths)  # noqa: T201 - its answer
