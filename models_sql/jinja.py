"""Text that Jinja, and so dbt, gives back unchanged."""

from __future__ import annotations

import json
import re

_SPECIAL = re.compile(r"[{\r]")
"""Every tag begins with a brace, and a carriage return would become a newline."""


def escaped_jinja(text: str) -> str:
    """Write a text so that Jinja renders it as it is."""
    return _SPECIAL.sub(lambda found: f'{{{{ "{_named(found[0])}" }}}}', text)


def _named(letter: str) -> str:
    return "\\r" if letter == "\r" else letter


def yaml_text(text: str) -> str:
    """Write a scalar of YAML in double quotes."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(each if each.isprintable() else _code(each) for each in quoted)


def _code(letter: str) -> str:
    return f"\\U{ord(letter):08x}"
