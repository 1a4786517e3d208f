"""A copy of the package whose native kernel reports every wrong access to memory."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
FLAGS = (
    *("-g", "-O2", "-ffp-contract=off", "-fno-omit-frame-pointer"),
    *("-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all"),
)


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler, and the sanitizers' runtimes, which Python must load before anything else."""

    compiler: tuple[str, ...]
    runtimes: tuple[Path, ...]

    def compile(self, sources: list[Path], library: Path) -> None:
        """Compile a shared library with both sanitizers."""
        subprocess.run(
            [*self.compiler, *FLAGS, "-fPIC", "-shared", "-o", library, *sources], check=True
        )


def gcc() -> Toolchain:
    """Take GCC and its own runtimes."""
    runtimes: list[Path] = []
    for name in ("libasan.so", "libubsan.so"):
        command = ["gcc", f"-print-file-name={name}"]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        runtimes.append(Path(found).resolve())
    return Toolchain(("gcc",), tuple(runtimes))


def clang_with_atheris() -> Toolchain:
    """Take clang and atheris' runtime, which tells the fuzzer where C code was."""
    import atheris

    runtime = Path(atheris.path()) / "asan_with_fuzzer.so"
    return Toolchain(("clang", "-fsanitize=fuzzer-no-link"), (runtime,))


# A build whose sanitizers do not report this would pass everything.
PLANTED = "int planted(char *p, long i) { return p[i]; }"
TRIGGER = """
import ctypes, sys, numpy
print(ctypes.CDLL(sys.argv[1]).planted(ctypes.c_void_p(numpy.empty(4096, "u1").ctypes.data), 4096))
"""


def sanitized_package(folder: Path, toolchain: Toolchain) -> tuple[Path, dict[str, str]]:
    """Copy the package, compile its kernel with both sanitizers, and check that they report.

    Returns
    -------
    package : Path
    environment : dict of str
        In which Python imports this package.
    """
    package = copy_package(folder / "foresql")
    environment = environment_for(folder, toolchain)
    planted = folder / "planted.c"
    planted.write_text(PLANTED)
    toolchain.compile([planted], planted.with_suffix(".so"))
    command = [sys.executable, "-c", TRIGGER, planted.with_suffix(".so")]
    seen = subprocess.run(command, env=environment, capture_output=True, check=False)
    if b"heap-buffer-overflow" not in seen.stderr:
        sys.exit(f"The sanitizers do not report a planted overflow:\n{seen.stderr.decode()}")
    native = package / "kernels" / "native"
    toolchain.compile(sorted(native.glob("*.c")), native / "_forest.so")
    return package, environment


def copy_package(package: Path) -> Path:
    """Copy what git knows or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in filter(None, listing.stdout.split("\0")):
        source, target = REPOSITORY / name, package / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return package


def environment_for(path: Path, toolchain: Toolchain) -> dict[str, str]:
    """Make the environment of a Python that imports from ``path`` and loads sanitized libraries."""
    return os.environ | {
        "LD_PRELOAD": ":".join(map(str, toolchain.runtimes)),
        # Python itself leaves memory behind.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "PYTHONPATH": os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")]),
        "PYTHONMALLOC": "malloc",
        "FORESQL_KERNEL": "",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
