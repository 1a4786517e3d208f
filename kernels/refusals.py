"""What is said of rows that a library refuses: the numpy and the native kernel use these words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..ir.steps import Lookup, Require, RequireRange

_FILTER = "Filter such rows, or replace the values in the query."


def missing_message(step: Require, source: str) -> str:
    """Say that a source column is NULL."""
    return (
        f"Column {source!r} is NULL in a row, and {step.where} accepts no missing values. Filter "
        "such rows, or put an imputer into the pipeline and publish it again."
    )


def infinite_message(step: Require, source: str) -> str:
    """Say that a source column is infinite."""
    return (
        f"Column {source!r} is infinite in a row, and {step.where} accepts finite values only. "
        f"{_FILTER}"
    )


def size_message(step: Require, source: str, value: str) -> str:
    """Say that a finite value is too large."""
    return (
        f"Column {source!r} is {value} in a row, and {step.where} accepts values of up to "
        f"{step.largest:.4g} only: it computes in float32. {_FILTER}"
    )


def range_message(step: RequireRange, source: str, value: str) -> str:
    """Say that a number is outside of the range."""
    return (
        f"Column {source!r} is {value} in a row, and {step.where} accepts numbers from "
        f"{step.low!r} to {step.high!r} only. {_FILTER}"
    )


def key_message(step: Lookup, source: str, value: str) -> str:
    """Say that a value is no key."""
    return (
        f"Column {source!r} holds {value}, which {step.where} never saw in training, and it was "
        "fitted to refuse such values. Filter such rows, or fit it to accept them "
        "(handle_unknown, min_categories) and publish it again."
    )
