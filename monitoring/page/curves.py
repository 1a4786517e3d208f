"""Plots of what was expected and what came true: over time, in tenths, by group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .charts import ACTUAL, LINE, NOW, REFERENCE, SOFT, Rows, Spec, chart, tip

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROW_HEIGHT = 22


def lines(  # noqa: PLR0913 - keyword options of one plot
    description: str,
    rows: Rows,
    series: Mapping[str, tuple[str, str]],
    form: str,
    *,
    until: str | None = None,
    zero: bool = False,
) -> Spec:
    """Lines over time; ``series`` maps a field to its name and colour, ``until`` ends the band."""
    start: Spec = {"field": "start", "type": "temporal", "title": None, "axis": {"tickCount": 8}}
    layers: list[Spec] = []
    if until is not None and rows:
        band = {"from": rows[0]["start"], "until": until}
        layers.append(
            {
                "data": {"values": [band]},
                "mark": {"type": "rect", "color": LINE, "opacity": 0.45},
                "encoding": {
                    "x": {"field": "from", "type": "temporal", "title": None},
                    "x2": {"field": "until"},
                },
            }
        )
    for field, (name, colour) in series.items():
        layers.append(
            {
                "transform": [{"filter": f"isValid(datum.{field})"}],
                "mark": {"type": "line", "color": colour, "strokeWidth": 2, "strokeJoin": "round"}
                | {"point": {"color": colour, "size": 22, "filled": True}},
                "encoding": {
                    "x": start,
                    "y": {
                        "field": field,
                        "type": "quantitative",
                        "title": None,
                        "axis": {"format": form},
                        "scale": {"zero": zero},
                    },
                    "tooltip": [
                        tip("start", "from", kind="temporal"),
                        tip(field, name, form),
                        tip("rows", "rows", ","),
                    ],
                },
            }
        )
    return chart(description, 220, data={"values": rows}, layer=layers)


def calibration(description: str, rows: Rows, *, is_share: bool) -> Spec:
    """Mean outcome over mean prediction, with intervals, and the line where both agree."""
    form = ".0%" if is_share else "~g"
    values = [each[key] for each in rows for key in ("expected", "actual")]
    ends = [{"expected": v, "actual": v} for v in (min(values), max(values))]
    x: Spec = {"field": "expected", "type": "quantitative", "axis": {"format": form, "grid": True}}
    x |= {"title": "predicted", "scale": {"zero": False, "nice": True}}
    y: Spec = {
        "field": "actual",
        "type": "quantitative",
        "axis": {"format": form},
    }
    y |= {"title": "actual", "scale": {"zero": False, "nice": True}}
    tooltip = [
        tip("expected", "predicted", form),
        tip("actual", "actual", form),
        tip("rows", "rows", ","),
    ]
    layers: list[Spec] = [
        {
            "data": {"values": ends},
            "mark": {"type": "line", "color": SOFT, "strokeDash": [3, 4], "strokeWidth": 1},
            "encoding": {"x": x, "y": y},
        }
    ]
    for side, colour in (("reference", REFERENCE), ("now", NOW)):
        mine = {"transform": [{"filter": f"datum.side == '{side}'"}]}
        layers += [
            mine
            | {
                "mark": {"type": "rule", "color": colour, "opacity": 0.6},
                "encoding": {
                    "x": x,
                    "y": {"field": "low", "type": "quantitative", "title": "actual"},
                    "y2": {"field": "high"},
                },
            },
            mine
            | {
                "mark": {"type": "line", "color": colour, "strokeWidth": 2, "strokeJoin": "round"}
                | {"point": {"color": colour, "size": 40, "filled": True}},
                "encoding": {"x": x, "y": y, "tooltip": tooltip},
            },
        ]
    return chart(description, 300, data={"values": rows}, layer=layers)


def present(rows: Rows) -> dict[str, str]:
    """Say which of expected and actual any group has, and the colour of each."""
    return {
        field: colour
        for field, colour in (("expected", NOW), ("actual", ACTUAL))
        if any(each[field] is not None for each in rows)
    }


def dumbbells(description: str, rows: Rows, form: str) -> Spec:
    """Draw expected and actual of each group on one line, in the order of ``position``."""
    label: Spec = {
        "field": "label",
        "type": "nominal",
        "sort": {"field": "position"},
        "title": None,
    }
    label["axis"] = {"grid": True, "labelLimit": 210}
    tooltip = _group_tips(form)

    def value(field: str) -> Spec:
        return {
            "field": field,
            "type": "quantitative",
            "title": None,
            "axis": {"format": form},
            "scale": {"zero": False},
        }

    layers: list[Spec] = []
    series = present(rows)
    if len(series) > 1:
        layers.append(
            {
                "transform": [{"filter": "isValid(datum.actual) && isValid(datum.expected)"}],
                "mark": {"type": "rule", "color": REFERENCE, "strokeWidth": 2},
                "encoding": {"y": label, "x": value("expected"), "x2": {"field": "actual"}},
            }
        )
    for field, colour in series.items():
        layers.append(
            {
                "transform": [{"filter": f"isValid(datum.{field})"}],
                "mark": {"type": "point", "filled": True, "color": colour, "size": 75}
                | {"opacity": 1, "shape": "circle" if field == "expected" else "diamond"},
                "encoding": {"y": label, "x": value(field), "tooltip": tooltip},
            }
        )
    height = max(60, _ROW_HEIGHT * len(rows))
    return chart(description, height, data={"values": rows}, layer=layers)


def steps(description: str, rows: Rows, form: str) -> Spec:
    """Draw expected and actual over few whole numbers, such as hours."""
    x: Spec = {"field": "label", "type": "nominal", "sort": {"field": "position"}, "title": None}
    x["axis"] = {"labelAngle": 0}
    layers: list[Spec] = [
        {
            "transform": [{"filter": f"isValid(datum.{field})"}],
            "mark": {"type": "line", "color": colour, "strokeWidth": 2, "strokeJoin": "round"}
            | {"point": {"color": colour, "size": 40, "filled": True}},
            "encoding": {
                "x": x,
                "y": {"field": field, "type": "quantitative", "title": None}
                | {"axis": {"format": form}},
                "tooltip": _group_tips(form),
            },
        }
        for field, colour in present(rows).items()
    ]
    return chart(description, 220, data={"values": rows}, layer=layers)


def _group_tips(form: str) -> list[Spec]:
    return [
        tip("label", "group", kind="nominal"),
        tip("expected", "expected", form),
        tip("actual", "actual", form),
        tip("rows", "rows", ","),
    ]
