import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs/registry.md").read_text()


def test_the_documented_moves_work(delay):
    delay.move_alias("delay", "champion", 3, expected=1)
    for code in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(code, {"registry": delay})  # noqa: S102 - the page is ours
    assert delay.alias("delay", "champion").version == 4
    for call in re.findall(r"^`(registry\.\w+\(.*?\))`", PAGE, re.MULTILINE):
        exec(call, {"registry": delay})  # noqa: S102 - the page is ours
    assert delay.alias("delay", "champion").version == 3


def test_the_documented_folders_are_those_that_are_there(delay):
    tree = PAGE.split("```")[1]
    patterns = re.findall(r"^  (\S+)", tree, re.MULTILINE)
    found = [str(path.relative_to(delay.path)) for path in delay.path.rglob("*") if path.is_file()]
    for pattern in patterns:
        assert any(re.fullmatch(re.sub("<.*?>", r"\\w+", pattern), name) for name in found), pattern
