"""API keys: a file of their sha256 and grants, which is read again when it changes."""

from __future__ import annotations

import hashlib
import logging
import re
import tomllib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ForesqlError, RegistryError
from ..registry import parse_reference
from .access import EVERY_MODEL, Principal, ServerVerb, Verb
from .http import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum
    from pathlib import Path

    from .http import Request

_LOG = logging.getLogger("foresql.serving")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SCHEME = b"bearer "
_MEMBERS = {"sha256", "models", "server"}
_Kind = TypeVar("_Kind", bound="StrEnum")


class KeyRing:
    """The keys of a file. A request carries its key as ``Authorization: Bearer KEY``."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises
        ------
        ForesqlError
            If it cannot be read, or is not as docs/serving.md says.
        """
        self._path = path
        self._seen = _stamp(path)
        self._principals = read_keys(path)
        self.is_current = True

    def identify(self, request: Request) -> Principal:
        """Give the principal whose key the request carries."""
        given = request.headers.get(b"authorization", b"")
        if given[: len(_SCHEME)].lower() == _SCHEME:
            # The digest is looked up, not the key: how long that takes tells nothing of any key.
            digest = hashlib.sha256(given[len(_SCHEME) :].strip()).hexdigest()
            principal = self._principals.get(digest)
            if principal is not None:
                return principal
        message = "The request has no valid key. Send one as: Authorization: Bearer KEY"
        raise Refusal(HTTPStatus.UNAUTHORIZED, message, (b"www-authenticate", b"Bearer"))

    def reload(self) -> None:
        """Read the file again if it has changed; a broken one leaves the keys as they are."""
        stamp = _stamp(self._path)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._principals = read_keys(self._path)
            self.is_current = True
            _LOG.info("Read the keys of %s again.", self._path)
        except ForesqlError as error:
            self.is_current = False
            _LOG.error("The keys stay as they were: %s", error)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_keys(path: Path) -> Mapping[str, Principal]:
    """Read a file of keys: principals by the sha256 of their key.

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
    principals: dict[str, Principal] = {}
    for name, table in tables.items():
        digest, principal = _principal(path, name, table)
        if digest in principals:
            other = principals[digest].name
            raise _wrong(path, name, f"its key is the one of [{other}]; make one for each")
        principals[digest] = principal
    if not principals:
        raise ForesqlError(f"The file of keys {path} holds none, so nobody could ask. Add one.")
    return principals


def _principal(path: Path, name: str, table: Any) -> tuple[str, Principal]:
    if not isinstance(table, dict) or not set(table) <= _MEMBERS:
        raise _wrong(path, name, "it is a table with sha256, and with models or server or both")
    digest, models = table.get("sha256"), table.get("models", {})
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise _wrong(path, name, "sha256 is that of the key, in 64 small hexadecimal digits")
    if not isinstance(models, dict):
        raise _wrong(path, name, 'models is a table, such as { delay = ["predict"] }')
    grants: dict[str, frozenset[Verb]] = {}
    for model, verbs in models.items():
        _check_model(path, name, model)
        grants[model] = _verbs(path, name, verbs, Verb)
    server = _verbs(path, name, table.get("server", []), ServerVerb)
    return digest, Principal(name, grants, server)


def _check_model(path: Path, name: str, model: str) -> None:
    try:
        is_name = model == EVERY_MODEL or str(parse_reference(model).name) == model
    except RegistryError:
        is_name = False
    if not is_name:
        raise _wrong(path, name, f"{model!r} is no name of a model, without alias and version")


def _verbs(path: Path, name: str, given: Any, kind: type[_Kind]) -> frozenset[_Kind]:
    if isinstance(given, list) and all(verb in set(kind) for verb in given):
        return frozenset(map(kind, given))
    known = ", ".join(kind)
    raise _wrong(path, name, f"{given!r} is no list of verbs; there is: {known}")


def _wrong(path: Path, name: str, problem: str) -> ForesqlError:
    return ForesqlError(f"The file of keys {path} is wrong in [{name}]: {problem}.")
