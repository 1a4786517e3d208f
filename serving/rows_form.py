"""``POST /predict/delay``: rows for people, by feature name."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import msgspec

from .answers import explanation_in_json
from .endpoints.endpoint import ServedEndpoint
from .endpoints.rows import answer_rows
from .features import RowFeatures
from .http import JSON, Refusal, Response, bad

if TYPE_CHECKING:
    from .answers import Answers
    from .features import Features
    from .http import Request
    from .models import ServedModel
    from .service import Service
    from .traffic.splitting import Split

_ENCODER = msgspec.json.Encoder()


async def predict(request: Request, service: Service) -> Response:
    """Predict rows that are given by feature name."""
    served = request.served
    body = await service.bodies.read(request)
    rows, explains, level = served.rows.decode(body)
    check_rows(len(rows), service)
    if isinstance(served, ServedEndpoint):
        return await answer_rows(served, rows, explains, level)
    model = cast("ServedModel", served)
    features = RowFeatures(model.schema, rows)
    if explains:
        _check_explains(model)
    if service.traffic is not None:
        split = service.traffic.split(request, model, features)
        return await _predict_parts(split, explains, level)
    return await _predict(model, features, explains, level)


async def _predict(
    served: ServedModel, features: Features, explains: bool, level: float | None
) -> Response:
    width = None if level is None else _half_width(served, level)
    answers = await served.score(features)
    shown = _shown(served, answers, width)
    if explains:
        await _explain(served, features, shown)
    content = {"model": served.name, "version": served.version, "answers": shown}
    return Response(_ENCODER.encode(content), content_type=JSON)


async def _predict_parts(split: Split, explains: bool, level: float | None) -> Response:
    """Answer each part of a request by its version, and say by which where there may be two."""
    answered: dict[int, dict[str, Any]] = {}
    for part in split.parts:
        served = part.served
        width = None if level is None else _half_width(served, level)
        shown = _shown(served, await split.score(part), width)
        if explains:
            await _explain(served, part.features, shown)
        for place, row in zip(part.places, shown, strict=True):
            answered[place] = row | {"version": served.version} if split.may_differ else row
    split.scored()
    versions = {part.served.version for part in split.parts}
    content = {
        "model": split.parts[0].served.name,
        "version": versions.pop() if len(versions) == 1 else None,
        "answers": [answered[place] for place in sorted(answered)],
    }
    response = Response(_ENCODER.encode(content), content_type=JSON, headers=split.headers)
    split.note()
    return response


async def _explain(served: ServedModel, features: Features, shown: list[dict[str, Any]]) -> None:
    for row, explanation in zip(shown, await served.explain(features), strict=True):
        row["explanation"] = explanation_in_json(explanation)


def check_rows(rows: int, service: Service) -> None:
    """Check that there are rows, and not too many.

    Raises
    ------
    Refusal
        If there are none (400), or more than a request may have (413).
    """
    most = service.settings.limits.rows
    if rows == 0:
        raise bad("The request has no rows.")
    if rows > most:
        message = f"The request has {rows:,} rows, and {most:,} are allowed. Send fewer at a time."
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)


def _check_explains(served: ServedModel) -> None:
    if "explain" in served.omitted:
        raise bad(f"{served.reference} gives no contributions: {served.omitted['explain']}.")


def _half_width(served: ServedModel, level: float) -> float:
    if not served.residuals:
        raise bad(f"{served.reference} gives no interval: {served.omitted['interval']}.")
    return served.half_width(level)


def _shown(served: ServedModel, answers: Answers, width: float | None) -> list[dict[str, Any]]:
    answering = served.answering
    shown: list[dict[str, Any]] = [{"value": answering.value(row)} for row in answers.prediction]
    if answering.no_probability is None:
        for row, shares in zip(shown, answers.probabilities, strict=True):
            row["probability"] = answering.probability(shares)
    if width is not None:
        for row, prediction in zip(shown, answers.prediction, strict=True):
            row["interval"] = {
                "low": _bound(prediction[0] - width),
                "high": _bound(prediction[0] + width),
            }
    return shown


def _bound(number: float) -> float | None:
    """Give a bound, or None where too few calibration rows give none."""
    return number if math.isfinite(number) else None
