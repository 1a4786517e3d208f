"""What all files of servers need."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import ForesqlError

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
"""What Kubernetes and systemd both take, with room for what is put behind it."""

IMAGE = re.compile(r"[A-Za-z0-9][\w.:@/-]{0,254}", re.ASCII)

PORT = 8000
USER = 10001
"""The user in the image: none of the machine's."""

REGISTRY, KEYS = "/registry", "/etc/foresql/keys.toml"
"""Where the files of the image are mounted."""

MEBIBYTES_EACH = 512
"""Of memory, for a process: what foresql takes itself, and room for models."""

PAUSE = 5
"""Seconds in which a balancer learns that no more requests may come."""

_DRAIN = 30
"""Seconds that requests under way have, over HTTP and gRPC at once."""

_KEEP = 35
"""Seconds behind it in which looks, scoring, shadows (5 each) and the prediction log (20) end."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be served.

    Attributes
    ----------
    name
        Of the unit, the deployment, the service.
    options
        Words of ``foresql serve`` that say what and how, but not where.
    processes, grpc_port, traces
        As these options say.
    """

    name: str
    options: tuple[str, ...] = ()
    processes: int = 1
    grpc_port: int | None = None
    traces: bool = False

    def __post_init__(self) -> None:
        """Check the name, and the port.

        Raises
        ------
        ForesqlError
            If the name is none that all of them take, or gRPC is to take any port.
        """
        if not NAME.fullmatch(self.name):
            message = f"--name {self.name!r}: 40 of a to z, 0 to 9 and dashes, a letter first."
            raise ForesqlError(message)
        if self.grpc_port == 0:
            message = "--grpc-port 0: name the port where clients find gRPC, such as 8001."
            raise ForesqlError(message)

    @property
    def memory(self) -> int:
        """Mebibytes of memory: for the workers, and where there are several, who starts them."""
        return MEBIBYTES_EACH * (self.processes + (self.processes > 1))

    @property
    def grace(self) -> int:
        """Seconds that the end may take: the pause, what is under way, what is kept, and some."""
        return PAUSE + _DRAIN + _KEEP + 10


def check_image(image: str) -> str:
    """Check the name of an image.

    Raises
    ------
    ForesqlError
        If it is none.
    """
    if not IMAGE.fullmatch(image):
        message = (
            f"--image {image!r} is no name of an image, such as registry.example.org/foresql:1"
        )
        raise ForesqlError(message)
    return image


def in_yaml(words: Sequence[str], indent: int) -> str:
    """Write a list of texts; JSON's way to quote is YAML's, too."""
    return "\n".join(f"{' ' * indent}- {json.dumps(word)}" for word in words)


def image_words(asked: Asked) -> list[str]:
    """Give the words of ``foresql serve`` in a container."""
    where = ["--host", "0.0.0.0", "--port", str(PORT)]  # noqa: S104 - a container's own network
    return ["serve", *where, "--registry", REGISTRY, "--keys", KEYS, *asked.options]
