"""A page in a real browser: what it draws, what it complains of, what it asks the network for."""

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=10000",
    # There is no network: what a page asked for would be an error in the console.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


@dataclass(frozen=True)
class Shown:
    """The document after its scripts ran, lines of the console, and addresses asked for."""

    document: str
    console: list[str]
    requests: list[str]


def show(page: Path, *more: str) -> Shown:
    """Open a page, and wait until it is drawn."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "net.json"
        command = [program, *FLAGS, f"--user-data-dir={folder}/profile", f"--log-net-log={log}"]
        done = subprocess.run(
            [*command, *more, "--dump-dom", page.absolute().as_uri()],
            capture_output=True,
            check=True,
            timeout=120,
        )
        requests = urls_of(log.read_text("utf-8", "replace"))
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    return Shown(
        done.stdout.decode("utf-8"), [line for line in lines if "CONSOLE" in line], requests
    )


def urls_of(log: str) -> list[str]:
    """Addresses that the page asked for; the browser's own questions have no origin."""
    try:
        events = json.loads(log)["events"]
    except ValueError:  # a browser that ends at once leaves the log's last bracket out
        events = json.loads(log.rstrip().rstrip(",") + "]}")["events"]
    asked = [event.get("params") or {} for event in events]
    urls = {
        each["url"] for each in asked if each.get("initiator", "not an origin") != "not an origin"
    }
    return sorted(url for url in urls if url.startswith(("http:", "https:", "ws:", "wss:")))


class Elements(HTMLParser):
    """The elements of a document: name, attributes, and the text inside of scripts and styles."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open, data))

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]
