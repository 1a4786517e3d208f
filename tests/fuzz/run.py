"""Fuzz each target for a while, on a native kernel that reports every wrong access to memory.

    make fuzz                          # a minute each
    make fuzz SECONDS=600 TARGETS=bundle

What a target learns stays in ``.fuzz/TARGET/corpus``, and the next run goes on from there. An input
that breaks something is written to ``.fuzz/TARGET``, and run alone by
``python tests/fuzz/run.py --input FILE TARGET``.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sanitized import FLAGS, REPOSITORY, clang_with_atheris, sanitized_package

TARGETS = (
    *("program", "duckdb_bundle", "duckdb_registry"),
    *("bundle", "files", "forest", "events", "tensors"),
)
IN_C = {
    "program": (),
    "duckdb_bundle": ("message", "sha256", "bundle_file"),
    "duckdb_registry": ("message", "sha256", "record", "reference", "registry_file"),
}
"""Targets without Python, and what they need of the DuckDB extension beside the kernel."""
LIMITS = ("-timeout=20", "-rss_limit_mb=4096", "-max_len=100000", "-print_final_stats=1")
STORE = REPOSITORY / ".fuzz"


def main() -> int:
    """Build, write seeds, and run the targets in turn; the first failure ends the run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", default=TARGETS, metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--input", type=Path, help="run this input and no other")
    given = parser.parse_args()
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    with tempfile.TemporaryDirectory() as folder:
        package, environment = sanitized_package(Path(folder), clang_with_atheris())
        seeds = Path(folder) / "seeds"
        write_seeds(package, seeds)
        support = str(package / "tests" / "support")
        native = os.environ | {"ASAN_OPTIONS": "allocator_may_return_null=1"}
        environment["PYTHONPATH"] = os.pathsep.join([support, environment["PYTHONPATH"]])
        for target in given.targets:
            inputs = [given.input] if given.input else folders_of(target, seeds)
            command = fuzzer_of(target, package)
            used = native if target in IN_C else environment
            options = [*LIMITS, f"-artifact_prefix={STORE / target}{os.sep}"]
            if not given.input:
                options.append(f"-max_total_time={given.seconds}")
            print(f"== {target}", flush=True)  # noqa: T201 - says whose output follows
            done = subprocess.run([*command, *options, *inputs], env=used, check=False)
            if done.returncode:
                return done.returncode
    return 0


def fuzzer_of(target: str, package: Path) -> list[str | Path]:
    """Give the command that fuzzes a target; one in C is compiled with libFuzzer first."""
    folder = package / "tests" / "fuzz"
    if target not in IN_C:
        return [sys.executable, folder / f"fuzz_{target}.py"]
    program = folder / f"fuzz_{target}"
    extension = package / "udfs" / "duckdb" / "extension"
    sources = [
        program.with_suffix(".c"),
        *sorted((package / "kernels" / "native").glob("*.c")),
        *(extension / f"{name}.c" for name in IN_C[target]),
    ]
    subprocess.run(
        ["clang", "-fsanitize=fuzzer", *FLAGS, "-o", program, *sources, "-lm"], check=True
    )
    dictionary = program.with_suffix(".dict")
    return [program, f"-dict={dictionary}"] if dictionary.exists() else [program]


def write_seeds(package: Path, seeds: Path) -> None:
    """Train small models, without the sanitizers, which stop other libraries."""
    paths = os.pathsep.join(map(str, (package.parent, package / "tests" / "support")))
    environment = {"PYTHONPATH": paths, "FORESQL_KERNEL": "numpy"}
    command = [sys.executable, package / "tests" / "fuzz" / "seeds.py", seeds]
    subprocess.run(command, env=os.environ | environment, check=True)


def folders_of(target: str, seeds: Path) -> list[Path]:
    """Give the folder that a target adds to, and the one that it starts from."""
    corpus = STORE / target / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    return [path for path in (corpus, seeds / target) if path.is_dir()]


if __name__ == "__main__":
    sys.exit(main())
