"""``foresql bus``: a bus for workers of this machine, in one command."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..streams.events.bus import ANY_PORT, ending_with_terminal, running_bus
from ..streams.events.bus_streams import Wanted, make_streams
from .options import explained, json_option, print_json, say, unwrapped
from .terminating import stopping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..streams.events.bus import Bus
    from ..streams.events.bus_streams import Kept

_LOOKING = 0.2
_LOG = "nats-server.log"


@click.group()
@unwrapped
def bus() -> None:
    r"""Run a NATS server with JetStream, for workers of this machine. It takes --json.

    \b
    foresql bus run --stream EVENTS --subjects 'sensors.>'
    """


@bus.command("run")
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".foresql/bus"),
    show_default=True,
    help="The folder that keeps the streams; one server at a time has it.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4222,
    show_default=True,
    help="Where it listens; 0 takes a free one.",
)
@click.option(
    "--stream",
    "names",
    multiple=True,
    metavar="NAME",
    help="A stream to make if it is not there; again for another one.",
)
@click.option(
    "--subjects",
    "subjects",
    multiple=True,
    metavar="SUBJECT,…",
    help="The subjects of that stream: one --subjects for each --stream, in their order.",
)
@json_option
@explained
def run(
    store: Path, port: int, names: Sequence[str], subjects: Sequence[str], as_json: bool
) -> None:
    r"""Run the server until SIGTERM or Ctrl-C, which end it with code 0.

    It listens on 127.0.0.1 alone, without a password: every user of this machine can use it.
    A stream that is there is not changed; one that differs is refused, with the difference.

    \b
    foresql bus run --stream EVENTS --subjects 'sensors.>'
    foresql bus run --store bus --port 0 --stream EVENTS --subjects 'sensors.>' --json
    foresql bus run --stream EVENTS --subjects 'sensors.>' --stream S --subjects 'scores,scores.>'
    """
    if len(names) != len(subjects):
        message = "Each --stream needs its --subjects: --stream EVENTS --subjects 'sensors.>'."
        raise click.UsageError(message)
    pairs = zip(names, subjects, strict=True)
    wanted = [Wanted(name, tuple(each.split(","))) for name, each in pairs]
    stop = threading.Event()
    with ending_with_terminal(), running_bus(store, store / _LOG, port or ANY_PORT) as running:
        streams = make_streams(running.url, wanted)
        with stopping(stop):
            _tell(running, streams, as_json=as_json)
            while not stop.wait(_LOOKING):
                running.check_alive()


def _tell(running: Bus, streams: Sequence[Kept], *, as_json: bool) -> None:
    if as_json:
        found = {
            "url": running.url,
            "pid": running.process.pid,
            "store": str(running.store),
            "log": str(running.log),
            "streams": [
                {
                    "stream": each.name,
                    "subjects": list(each.subjects),
                    "messages": each.messages,
                    "is_new": each.is_new,
                }
                for each in streams
            ],
        }
        print_json(found, on_one_line=True)
        return
    say(f"The bus is {running.url}; its streams are in {running.store}. Ctrl-C ends it.")
    for each in streams:
        state = "new" if each.is_new else f"{each.messages:,} messages"
        say(f"\n# {each.name}, {state}; subjects: {', '.join(each.subjects)}")
        say(f'[source]\nbus = "{running.url}"\nstream = "{each.name}"')
