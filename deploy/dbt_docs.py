"""Doc blocks for a dbt project: what the model cards of the registry say, for its descriptions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..errors import ForesqlError
from ..registry import Registry, default_path
from ..registry.references import parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ..ir.bundle import Bundle
    from ..registry import Version

__all__ = ["DOCS_MARK", "dbt_docs"]

DOCS_MARK = "<!-- What the model cards say."
"""How the file begins."""

_TAGS = re.compile(r"\{(?=[{%#])")
_SHOWN_CATEGORIES = 20


def dbt_docs(references: Sequence[str], registry: str | Path | None = None) -> str:
    """Write the file ``foresql_models.md`` of a dbt project.

    Descriptions read it as ``{{ doc('delay_champion') }}``: the model and its certificate;
    ``delay_champion_columns``: what it takes; ``delay_champion_predict`` and
    ``delay_champion_predict_proba``: its answers.

    Parameters
    ----------
    references
        Models by alias, such as ``"delay@champion"``.
    registry
        The registry's folder; by default ``FORESQL_REGISTRY`` or ``./foresql_registry``.

    Returns
    -------
    str
        The file. The same registry and references give the same text.

    Raises
    ------
    ForesqlError
        If a reference names no alias, or two would have the same name as blocks.
    RegistryError, BundleError
        If there is no such model, or a bundle is not whole.
    """
    store = Registry.open(registry or default_path())
    blocks: dict[str, str] = {}
    for reference in dict.fromkeys(references):
        for name, text in _blocks(store, reference):
            if name in blocks:
                raise ForesqlError(
                    f"{reference} needs the doc block {name}, which another model has already. "
                    "Give one of the two another alias."
                )
            blocks[name] = text
    written = [
        f"{{% docs {name} %}}\n{_TAGS.sub('&#123;', text)}\n{{% enddocs %}}\n"
        for name, text in blocks.items()
    ]
    again = f"foresql dbt-macros {' '.join(dict.fromkeys(references))}"
    head = f"{DOCS_MARK} Written by {again} --docs models/foresql_models.md -->\n"
    return "\n".join([head, *written])


def _blocks(store: Registry, reference: str) -> Iterator[tuple[str, str]]:
    parsed = parse_reference(reference)
    if parsed.alias is None:
        raise ForesqlError(
            f"{reference!r} names no alias, and descriptions follow aliases. Write "
            f"{parsed.name}@champion."
        )
    version = store.resolve(reference)
    bundle = store.load(version)
    name = f"{parsed.name}_{parsed.alias}"
    yield name, _model_text(str(parsed), version, bundle)
    yield f"{name}_columns", _columns_text(version, bundle)
    yield f"{name}_predict", _prediction_text(version, bundle)
    if bundle.model.outputs.probabilities:
        yield f"{name}_predict_proba", _probability_text(version, bundle)


def _model_text(reference: str, version: Version, bundle: Bundle) -> str:
    card = bundle.card
    rows = [("version", f"{version.reference}, sha256 {version.digest}")]
    rows += [(key, _plain(card[key])) for key in ("estimator", "created_at") if card.get(key)]
    training, metrics = card.get("training"), card.get("metrics")
    if isinstance(training, dict) and training.get("rows"):
        rows.append(("trained on", f"{training['rows']:,} rows, sha256 {training.get('sha256')}"))
    if isinstance(metrics, dict) and metrics:
        rows.append(("metrics", ", ".join(f"{key} {metrics[key]}" for key in sorted(metrics))))
    certificate = card.get("certificate")
    if isinstance(certificate, dict):
        difference = f"largest difference {certificate.get('largest_difference'):g}"
        rows.append(("certified", f"{certificate.get('rows'):,} rows, {difference}"))
    table = [f"| {key} | {_cell(value)} |" for key, value in rows]
    return "\n".join([_what(card, reference), "", f"| {reference} | |", "|---|---|", *table])


def _columns_text(version: Version, bundle: Bundle) -> str:
    head = ("column", "type", "missing in training", "categories")
    lines = [f"What {version.reference} takes:", "", f"| {' | '.join(head)} |", "|---|---|---|---|"]
    # A model file does not say what its training data lacked.
    is_known = not bundle.card.get("imported")
    for column in bundle.model.signature.columns:
        missing = ("sometimes" if column.nullable else "never") if is_known else ""
        categories = _categories(column.categories)
        lines.append(f"| {_cell(column.name)} | {column.type.value} | {missing} | {categories} |")
    return "\n".join(lines)


def _categories(categories: Sequence[Any] | None) -> str:
    if categories is None:
        return ""
    shown = ", ".join(_cell(str(each)) for each in categories[:_SHOWN_CATEGORIES])
    more = len(categories) - _SHOWN_CATEGORIES
    return f"{shown} and {more} more" if more > 0 else shown


def _prediction_text(version: Version, bundle: Bundle) -> str:
    classes = bundle.model.outputs.classes
    about = _what(bundle.card, version.reference)
    if not classes:
        return f"What {version.reference} predicts. {about}"
    listed = ", ".join(str(each) for each in classes[:_SHOWN_CATEGORIES])
    return f"Label that {version.reference} predicts, of {listed}. {about}"


def _probability_text(version: Version, bundle: Bundle) -> str:
    classes = bundle.model.outputs.classes or ()
    about = _what(bundle.card, version.reference)
    binary = 2
    of = f"the class {classes[1]}" if len(classes) == binary else "each class"
    return f"Probability of {of}, 0 to 1, by {version.reference}. {about}"


def _what(card: Mapping[str, Any], otherwise: str) -> str:
    description = card.get("description")
    return _plain(description) if description else otherwise


def _plain(value: object) -> str:
    """Keep a text in one paragraph."""
    return " ".join(str(value).split())


def _cell(value: str) -> str:
    return _plain(value).replace("|", "\\|")
