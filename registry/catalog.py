"""Reading a registry: what there is, what a reference means, and the bundles themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RegistryError
from ..ir.bundle import read_bundle
from .layout import Layout
from .location import check_registry
from .records import AliasMove, ModelSummary, Version
from .references import check_name, parse_reference, suggest

if TYPE_CHECKING:
    from ..ir.bundle import Bundle


class Catalog:
    """A registry that is only read, so that its folder may be read-only.

    Raises
    ------
    RegistryError
        If the folder is no registry, or one of a later format. Every method raises it, too, for
        names that are unknown and for records that are damaged.
    """

    __slots__ = ("_layout", "path")

    def __init__(self, path: str | Path) -> None:
        """Open the registry in a folder."""
        self.path = Path(path).expanduser().absolute()
        self._layout = Layout(self.path)
        check_registry(self.path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def models(self) -> list[ModelSummary]:
        """List all models by name."""
        return [self._summary(name) for name in self._names()]

    def versions(self, name: str) -> list[Version]:
        """List a model's versions, ascending."""
        return [self._layout.read_version(name, number) for number in self._numbers(name)]

    def version(self, name: str, number: int) -> Version:
        """Give one version of a model."""
        numbers = self._numbers(name)
        if number not in numbers:
            listed = f"version {numbers[0]}"
            if len(numbers) > 1:
                listed = f"versions {numbers[0]} to {numbers[-1]}"
            raise RegistryError(f"Model {name!r} has no version {number}. It has {listed}.")
        return self._layout.read_version(name, number)

    def aliases(self, name: str) -> dict[str, AliasMove]:
        """Map each alias of a model to its last move."""
        self._numbers(name)
        heads = [self._layout.last_move(name, alias) for alias in self._layout.aliases(name)]
        return {head.alias: head for head in heads if head is not None}

    def alias(self, name: str, alias: str) -> AliasMove:
        """Give the last move of an alias, which says where it is."""
        self._numbers(name)
        head = self._layout.last_move(name, check_name(alias, "alias"))
        if head is None or head.alias != alias:
            known = suggest(alias, self.aliases(name))
            raise RegistryError(f"Model {name!r} has no alias {alias!r}. {known}")
        return head

    def history(self, name: str, alias: str) -> list[AliasMove]:
        """List the moves of an alias, first to last."""
        self.alias(name, alias)
        numbers = self._layout.moves(name, alias).numbers()
        return [self._layout.read_move(name, alias, number) for number in numbers]

    def resolve(self, reference: str) -> Version:
        """Find the version that ``name@alias``, ``name:version`` or ``name`` means now.

        A bare name is refused unless the model has exactly one version.
        """
        wanted = parse_reference(reference)
        if wanted.alias is not None:
            head = self.alias(wanted.name, wanted.alias)
            return self._layout.read_version(wanted.name, head.version)
        if wanted.version is not None:
            return self.version(wanted.name, wanted.version)
        return self._only_version(wanted.name)

    def bundle_path(self, version: Version) -> Path:
        """Say where a version's bundle lies."""
        return self._layout.bundle(version.digest)

    def load(self, version: Version) -> Bundle:
        """Read a version's bundle, checking every byte.

        Raises
        ------
        BundleError
            If the bundle is missing or damaged.
        """
        return read_bundle(self.bundle_path(version), version.digest)

    def _names(self) -> list[str]:
        names = [self._layout.spelling(folder) for folder in self._layout.models()]
        return [name for name in names if name is not None]

    def _numbers(self, name: str) -> tuple[int, ...]:
        """List the versions of a model that must be there."""
        check_name(name, "model")
        if self._layout.spelling(name) != name:
            known = suggest(name, self._names())
            raise RegistryError(f"There is no model {name!r} in {self.path}. {known}")
        return self._layout.versions(name).numbers()

    def _summary(self, name: str) -> ModelSummary:
        aliases = {alias: move.version for alias, move in self.aliases(name).items()}
        return ModelSummary(name, self._numbers(name), aliases)

    def _only_version(self, name: str) -> Version:
        model = self._summary(name)
        if len(model.versions) == 1:
            return self.version(name, model.versions[0])
        forms = [f"{name}@{alias}" for alias in model.aliases]
        raise RegistryError(
            f"Model {name!r} has {len(model.versions)} versions; say which one is meant: "
            f"{', '.join([*forms, f'{name}:{model.versions[-1]}'])}, or an earlier one."
        )
