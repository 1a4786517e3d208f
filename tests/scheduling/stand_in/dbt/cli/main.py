"""Takes the place of dbt: does what `behaviours.json` of the project says, and tells of it."""

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path


def tell(event, **more):
    with Path("events.jsonl").open("a") as file:
        file.write(json.dumps({"event": event, "pid": os.getpid(), **more}) + "\n")


def cli():
    behaviours = json.loads(Path("behaviours.json").read_text())
    events = Path("events.jsonl")
    calls = events.read_text().count('"start"') if events.exists() else 0
    does = behaviours[min(calls, len(behaviours) - 1)]
    names = ("FORESQL_SCHEDULE", "FORESQL_ATTEMPT")
    tell("start", arguments=sys.argv[1:], **{name: os.environ.get(name) for name in names})
    try:
        time.sleep(does.get("sleep", 0))
    except KeyboardInterrupt:
        while "ends_after" in does and not Path(does["ends_after"]).exists():
            time.sleep(0.02)
        tell("interrupted")
        sys.exit(1)
    sys.stdout.write(does.get("prints", "") + "\n")
    sys.stdout.flush()
    if "results" in does:
        Path("target").mkdir(exist_ok=True)
        generated = datetime.now(UTC).isoformat()
        results = {"metadata": {"generated_at": generated}, "results": does["results"]}
        Path("target/run_results.json").write_text(json.dumps(results))
    tell("end")
    sys.exit(does.get("code", 0))
