"""The plots as Vega-Lite specifications: fields have fixed names, so data is never a path.

Colours are variables of the style sheet, so one drawing is light, dark or printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Spec = dict[str, Any]
Rows = list[dict[str, Any]]

NOW, ACTUAL, REFERENCE = "var(--now)", "var(--actual)", "var(--reference)"
INK, SOFT, LINE = "var(--ink)", "var(--soft)", "var(--line)"
_LEVELS = {
    "steady": REFERENCE,
    "moved": "var(--watch)",
    "shifted": "var(--act)",
    "too few rows": LINE,
}
_CONFIG: Spec = {
    "background": None,
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
    "view": {"stroke": None},
    "aria": True,
    "axis": {
        "labelColor": SOFT,
        "titleColor": SOFT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": LINE,
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
        "titlePadding": 8,
        "labelLimit": 230,
    },
    "axisX": {"grid": False, "labelOverlap": True},
    "axisY": {"tickCount": 5},
    "legend": {"disable": True},
}


def chart(description: str, height: int, **parts: Any) -> Spec:
    """Make a plot as wide as its place."""
    return {
        "description": description,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": _CONFIG,
        **parts,
    }


def histogram(description: str, rows: Rows, *, is_share: bool, title: str) -> Spec:
    """Bars of the rows of now, and a line of those of the reference."""
    form = ".0%" if is_share else "~g"
    low: Spec = {"field": "low", "type": "quantitative", "axis": {"format": form}, "title": title}
    low["scale"] = {"nice": False, "zero": False}
    tooltip = [
        tip("low", "from", form),
        tip("high", "to", form),
        tip("share_now", "now", ".2%"),
        tip("share_reference", "reference", ".2%"),
    ]
    bars = {
        "mark": {"type": "bar", "color": NOW, "opacity": 0.85, "binSpacing": 1},
        "encoding": {
            "x": low | {"bin": {"binned": True}},
            "x2": {"field": "high"},
            "y": _share_axis("share_now"),
            "tooltip": tooltip,
        },
    }
    steps = {
        "transform": [{"calculate": "(datum.low + datum.high) / 2", "as": "middle"}],
        "mark": {"type": "line", "interpolate": "step", "color": INK, "strokeWidth": 1.5}
        | {"strokeDash": [4, 3]},
        "encoding": {
            "x": {"field": "middle", "type": "quantitative"},
            "y": _share_axis("share_reference"),
        },
    }
    has_reference = any(each["share_reference"] for each in rows)
    return chart(
        description, 240, data={"values": rows}, layer=[bars, *([steps] if has_reference else [])]
    )


def _share_axis(field: str, title: str | None = "share of rows") -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "axis": {"format": ".0%"},
        "stack": None,
    }


def tip(field: str, title: str, form: str | None = None, kind: str = "quantitative") -> Spec:
    """Name a field of the box that shows under the pointer."""
    return {"field": field, "title": title, "type": kind} | ({"format": form} if form else {})


def bars_by_side(description: str, rows: Rows, height: int | None = None) -> Spec:
    """Shares of each bin: bars of now, ticks of the reference. `position` orders the bins."""
    label: Spec = {
        "field": "label",
        "type": "nominal",
        "sort": {"field": "position"},
        "title": None,
    }
    tooltip = [
        tip("label", "value", kind="nominal"),
        tip("now", "now", ".2%"),
        tip("reference", "reference", ".2%"),
    ]
    layers = [
        {
            "mark": {"type": "bar", "color": NOW, "opacity": 0.85, "height": {"band": 0.72}},
            "encoding": {
                "y": label,
                "x": _share_axis("now", None),
                "tooltip": tooltip,
            },
        },
        {
            "mark": {"type": "tick", "color": INK, "thickness": 2, "size": 15},
            "encoding": {"y": label, "x": _share_axis("reference", None), "tooltip": tooltip},
        },
    ]
    config = _with_axes({"labelLimit": 110, "labelFontSize": 11, "tickCount": 3})
    return chart(
        description,
        height or max(90, 17 * len(rows)),
        data={"values": rows},
        layer=layers,
        config=config,
    )


def _with_axes(more: Mapping[str, Any]) -> Spec:
    return _CONFIG | {"axis": {**_CONFIG["axis"], **more}, "axisX": {"grid": True}}


def runs(description: str, rows: Rows) -> Spec:
    """Bars of rows scored, a run each, the earliest first."""
    return chart(
        description,
        150,
        data={"values": rows},
        mark={"type": "bar", "color": NOW, "opacity": 0.85, "width": {"band": 0.7}},
        encoding={
            "x": {
                "field": "label",
                "type": "nominal",
                "sort": {"field": "position"},
                "title": None,
                "axis": {"labelAngle": 0},
            },
            "y": {"field": "rows", "type": "quantitative", "title": "rows scored"}
            | {"axis": {"format": "~s"}},
            "tooltip": [tip("label", "run", kind="nominal"), tip("rows", "rows scored", ",")],
        },
    )


def drift(description: str, rows: Rows, watch: float, act: float) -> Spec:
    """Draw the index of each feature, the largest first, and both limits."""
    label: Spec = {
        "field": "label",
        "type": "nominal",
        "sort": {"field": "position"},
        "title": None,
    }
    bars = {
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "encoding": {
            "y": label,
            "x": {"field": "psi", "type": "quantitative", "title": "population stability index"},
            "color": {
                "field": "status",
                "type": "nominal",
                "scale": {"domain": list(_LEVELS), "range": list(_LEVELS.values())},
            },
            "tooltip": [
                tip("label", "feature", kind="nominal"),
                tip("psi", "index", ".3f"),
                tip("status", "status", kind="nominal"),
            ],
        },
    }
    limits = {
        "data": {"values": [{"limit": watch}, {"limit": act}]},
        "mark": {"type": "rule", "color": INK, "strokeDash": [4, 3], "strokeWidth": 1},
        "encoding": {"x": {"field": "limit", "type": "quantitative"}},
    }
    return chart(
        description,
        max(60, 20 * len(rows)),
        data={"values": rows},
        layer=[bars, limits],
        config=_with_axes({}),
    )


def distinct(labels: Sequence[str]) -> list[str]:
    """Make labels that are alike differ by what cannot be seen: Vega would take them for one."""
    seen: dict[str, int] = {}
    found: list[str] = []
    for label in labels:
        times = seen[label] = seen.get(label, -1) + 1
        found.append(label + "\u200b" * times)
    return found
