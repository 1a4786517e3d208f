"""Values as Jinja reads them back, in which dbt sees no tag."""

from __future__ import annotations

import json
import re

_LARGEST_SHORT = 0xFFFF
_SPECIAL = re.compile(r"[{}%#']|[^\x00-\x7f]")


def jinja_text(value: str) -> str:
    """Write a text, in ASCII."""
    quoted = json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', '"')
    return "'" + _SPECIAL.sub(_code, quoted) + "'"


def _code(found: re.Match[str]) -> str:
    # JSON would write what lies beyond 16 bits as two halves, which Jinja does not put together.
    code = ord(found[0])
    return f"\\u{code:04x}" if code <= _LARGEST_SHORT else f"\\U{code:08x}"


def jinja_value(value: str | float | None) -> str:
    """Write a text, a number, a truth value or None."""
    if value is None:
        return "none"
    return jinja_text(value) if isinstance(value, str) else repr(value).lower()
