import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_page_explains_exactly_the_declared_dependencies():
    assert explained_on(REPOSITORY / "docs/dependencies.md") == declared_in(
        REPOSITORY / "pyproject.toml"
    )


def declared_in(pyproject: Path) -> set[tuple[str, str]]:
    """Pairs of group and package; the package's references to its own extras left out."""
    settings = tomllib.loads(pyproject.read_text())
    groups = {
        "build-system": settings["build-system"]["requires"],
        "core": settings["project"]["dependencies"],
        **settings["project"]["optional-dependencies"],
    }
    pairs = {(group, name_of(line)) for group, lines in groups.items() for line in lines}
    return {(group, name) for group, name in pairs if name != "foresql"}


def name_of(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def explained_on(page: Path) -> set[tuple[str, str]]:
    """Rows ``| `package` | ...`` of the core, and ``| `extra` | `package` | ...`` of the extras."""
    rows = re.findall(r"^\| `([\w-]+)` \| (?:`([\w-]+)` \|)?", page.read_text(), re.MULTILINE)
    return {(first, second) if second else ("core", first) for first, second in rows}
