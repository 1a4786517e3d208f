"""`foresql serve` with limits that a test can wait for, which the command has no options for."""

import json
import sys
from pathlib import Path

from foresql.cli.serving import _announce, _described
from foresql.serving import Address, Limits, Settings, serve

if __name__ == "__main__":
    registry, limits, *keys = sys.argv[1:]
    settings = Settings(
        Path(registry),
        keys=Path(keys[0]) if keys else None,
        limits=Limits(**json.loads(limits)),
    )
    serve(
        settings,
        Address(port=0, grpc_port=0),
        lambda *served: _announce(_described(*served), as_json=True),
    )
