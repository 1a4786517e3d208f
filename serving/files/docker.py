"""An image that serves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .asked import KEYS, PORT, REGISTRY, USER, image_words

if TYPE_CHECKING:
    from .asked import Asked

__all__ = ["write_docker"]

DOCKERFILE = """\
# foresql: the image of the server {name}.
#   docker build --tag {name} .
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges \\
#     --publish {port}:{port} --volume "$PWD/foresql_registry:{registry}:ro" \\
#     --volume "$PWD/keys.toml:{keys}:ro" {name}
# The user {user} must be able to read both. Another source of foresql, such as a wheel's address:
#   docker build --build-arg FORESQL='foresql[serving] @ https://example.org/foresql.whl' .
FROM python:{python} AS build
ARG FORESQL="foresql[{extras}]=={version}"
RUN python -m venv /opt/foresql \\
    && /opt/foresql/bin/pip install --no-cache-dir --disable-pip-version-check "$FORESQL"

FROM python:{python}-slim
COPY --from=build /opt/foresql /opt/foresql
# One thread for a row's arithmetic: requests are what runs beside each other.
ENV OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER {user}:{user}
EXPOSE {ports}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/opt/foresql/bin/python", "-c", \\
    "import urllib.request as r; r.urlopen('http://127.0.0.1:{port}/v2/health/ready', timeout=4)"]
ENTRYPOINT ["/opt/foresql/bin/foresql"]
CMD {command}
"""


def write_docker(asked: Asked, version: str, python: str, extras: str) -> str:
    """Write a Dockerfile; it takes foresql, and leaves registry and keys to who runs it."""
    return DOCKERFILE.format(
        name=asked.name,
        version=version,
        python=python,
        extras=extras,
        port=PORT,
        ports=" ".join(map(str, filter(None, (PORT, asked.grpc_port)))),
        registry=REGISTRY,
        keys=KEYS,
        user=USER,
        command=json.dumps(image_words(asked)),
    )
