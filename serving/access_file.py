"""The file of who may ask: keys by their sha256, tokens' subjects, certificates, and grants."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ForesqlError, RegistryError
from ..registry import parse_reference
from .access import EVERY_MODEL, Principal, Rate, ServerVerb, Verb
from .issuers import Issuer, read_issuer, wrong

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum
    from pathlib import Path

ISSUERS = "issuers"
ANY_SUBJECT = "*"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PROOFS = {"sha256": {"sha256"}, "certificate": {"certificate"}, "subject": {"subject", "issuer"}}
_GRANTS = {"models", "server", "requests_per_second", "burst"}
_Kind = TypeVar("_Kind", bound="StrEnum")
_MOST_A_SECOND = 1e9


@dataclass(slots=True)
class AccessFile:
    """What the file says.

    Attributes
    ----------
    keys, certificates
        Principals by the sha256 of their key, or of their certificate.
    subjects
        Principals by issuer and subject of their tokens; the subject ``*`` is every one.
    issuers
        Whose tokens are believed, by the name that their tokens carry.
    """

    keys: dict[str, Principal] = field(default_factory=dict)
    certificates: dict[str, Principal] = field(default_factory=dict)
    subjects: dict[tuple[str, str], Principal] = field(default_factory=dict)
    issuers: dict[str, Issuer] = field(default_factory=dict)

    @property
    def read_from(self) -> list[Path]:
        """Further files that it rests on."""
        return [issuer.file for issuer in self.issuers.values() if issuer.file is not None]


def read_access(path: Path) -> AccessFile:
    """Read the file.

    Raises
    ------
    ForesqlError
        If it cannot be read, or anything in it is not understood.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ForesqlError(f"The file of keys {path} cannot be read: {reason}.") from error
    found = AccessFile()
    issuers = tables.pop(ISSUERS, {})
    if not isinstance(issuers, dict):
        raise wrong(path, ISSUERS, "it holds tables, such as [issuers.login]")
    for name, table in issuers.items():
        entry = f"{ISSUERS}.{name}"
        issuer = read_issuer(path, entry, table)
        if issuer.issuer in found.issuers:
            raise wrong(path, entry, f"{issuer.issuer!r} stands there twice")
        found.issuers[issuer.issuer] = issuer
    for name, table in tables.items():
        _add(found, path, name, table)
    if not (found.keys or found.certificates or found.subjects):
        raise ForesqlError(f"The file of keys {path} holds none, so nobody could ask. Add one.")
    return found


def _add(found: AccessFile, path: Path, name: str, table: Any) -> None:
    proofs = sorted(set(table) & set(_PROOFS)) if isinstance(table, dict) else []
    if not proofs:
        raise wrong(path, name, "it is a table with sha256, certificate, or issuer and subject")
    proof, *others = proofs
    if others or not _PROOFS[proof] <= set(table) <= _PROOFS[proof] | _GRANTS:
        raise wrong(
            path,
            name,
            "it has one of sha256, certificate, or issuer with subject; and of models, server, "
            "requests_per_second and burst what it needs",
        )
    principal = _principal(path, name, table)
    if proof == "subject":
        subject = table["issuer"], table["subject"]
        if not all(isinstance(each, str) and each for each in subject):
            raise wrong(path, name, "issuer and subject are texts, as the tokens carry them")
        if table["issuer"] not in found.issuers:
            raise wrong(path, name, f"no [issuers.…] has the issuer {table['issuer']!r}")
        _keep(found.subjects, subject, principal, path)
        return
    digest = table[proof]
    if isinstance(digest, str) and proof == "certificate":
        digest = digest.replace(":", "").lower()  # as openssl prints it
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise wrong(path, name, f"{proof} is a sha256, in 64 small hexadecimal digits")
    _keep(found.keys if proof == "sha256" else found.certificates, digest, principal, path)


def _keep(
    principals: dict[Any, Principal], proof: object, principal: Principal, path: Path
) -> None:
    if proof in principals:
        problem = f"its proof is the one of [{principals[proof].name}]; make one for each"
        raise wrong(path, principal.name, problem)
    principals[proof] = principal


def _principal(path: Path, name: str, table: Mapping[str, Any]) -> Principal:
    models = table.get("models", {})
    if not isinstance(models, dict):
        raise wrong(path, name, 'models is a table, such as { delay = ["predict"] }')
    grants: dict[str, frozenset[Verb]] = {}
    for model, verbs in models.items():
        _check_model(path, name, model)
        grants[model] = _verbs(path, name, verbs, Verb)
    server = _verbs(path, name, table.get("server", []), ServerVerb)
    return Principal(name, grants, server, _rate(path, name, table))


def _rate(path: Path, name: str, table: Mapping[str, Any]) -> Rate | None:
    """Read how often a principal may ask; by default it may save up a second's requests."""
    if "requests_per_second" not in table:
        if "burst" in table:
            raise wrong(path, name, "burst goes with requests_per_second")
        return None
    per_second = table["requests_per_second"]
    burst = table.get("burst", per_second)
    if not (_is_positive(per_second) and _is_positive(burst)):
        raise wrong(path, name, "requests_per_second and burst are numbers above 0, below 1e9")
    return Rate(float(per_second), max(float(burst), 1.0))


def _is_positive(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 < value < _MOST_A_SECOND


def _check_model(path: Path, name: str, model: str) -> None:
    try:
        is_name = model == EVERY_MODEL or str(parse_reference(model).name) == model
    except RegistryError:
        is_name = False
    if not is_name:
        raise wrong(path, name, f"{model!r} is no name of a model, without alias and version")


def _verbs(path: Path, name: str, given: Any, kind: type[_Kind]) -> frozenset[_Kind]:
    if isinstance(given, list) and all(verb in list(kind) for verb in given):
        return frozenset(map(kind, given))
    known = ", ".join(kind)
    raise wrong(path, name, f"{given!r} is no list of verbs; there is: {known}")
