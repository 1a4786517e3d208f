"""Storing a certified model: its card, its version, its alias."""

from __future__ import annotations

import math
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import SignatureError
from ..ir.bundle import Bundle
from ..kernels import build_program
from ..registry import ANY, Registry, default_path
from ..registry.records import current_user
from ..registry.references import check_name
from .gate import Certificate, library_versions
from .golden_bounds import golden_bounds
from .kept import kept_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..ir import Model


@dataclass(frozen=True, slots=True)
class Published:
    """A version that was just published.

    ``needs`` names the libraries, and their versions, that scoring needs where the model is kept
    whole; a model that was translated needs none.
    """

    name: str
    version: int
    digest: str
    alias: str | None
    certificate: Certificate
    needs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def reference(self) -> str:
        """How to name exactly this version: ``delay:3``."""
        return f"{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the user says of a new version.

    Raises
    ------
    SignatureError
        If a metric is none that a card can hold.
    """

    name: str
    alias: str | None
    description: str
    metrics: Mapping[str, float]

    def __post_init__(self) -> None:
        for key, value in self.metrics.items():
            try:
                is_finite = math.isfinite(value)
            except TypeError:
                is_finite = False
            if not is_finite:
                message = f"The metric {key!r} is {value}; leave it out, or give a finite number."
                raise SignatureError(message)


def open_for(name: str, alias: str | None, registry: str | Path | None) -> Registry:
    """Open, or make, the registry in which a model of this name can be stored.

    Raises
    ------
    RegistryError
        If the name, the alias or the folder cannot be used.
    """
    store = Registry.open(Path(registry) if registry else default_path(), create=True)
    check_name(name, "model")
    if alias is not None:
        check_name(alias, "alias")
    return store


def store_version(
    store: Registry,
    model: Model,
    certificate: Certificate,
    entry: Entry,
    origin: Mapping[str, Any],
) -> Published:
    """Store a model with its card, and move the alias; ``origin`` says on the card what it was."""
    kept, golden = kept_whole(model), certificate.golden
    card = {
        "name": entry.name,
        "description": entry.description,
        "metrics": {key: float(value) for key, value in entry.metrics.items()},
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "created_by": current_user(),
        **origin,
        "versions": library_versions(),
        "git_commit": _git_commit(),
        "certificate": certificate.to_json(),
        "golden": {**golden.to_json(), "allowed": golden_bounds(model, golden)},
        "kept_whole": kept or None,
    }
    program = build_program(model)
    version = store.add_version(
        entry.name, Bundle(model, card, program), description=entry.description
    )
    if entry.alias is not None:
        store.move_alias(entry.name, entry.alias, version.version, expected=ANY, reason="publish")
    needs = kept.get("needs", {})
    return Published(entry.name, version.version, version.digest, entry.alias, certificate, needs)


def _git_commit() -> str | None:
    """Give the commit that the model is published from, with ``+`` where files were changed."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    finished = subprocess.run(  # noqa: S603 - a fixed command, no shell
        ["git", *arguments],  # noqa: S607 - git is found as the user finds it
        capture_output=True,
        check=True,
        text=True,
        timeout=10,
    )
    return finished.stdout.strip()
