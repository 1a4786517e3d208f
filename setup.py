"""Package list and native kernel of a build; everything else is in pyproject.toml.

`[tool.setuptools.packages.find]` cannot find packages under a mapped root: it would name the
folders `ir`, `kernels`, ... and not `foresql.ir`. So the names are made here, and a new folder
needs no edit: an `__init__.py` makes it a package.
"""

import sys
import sysconfig
import tomllib
from pathlib import Path
from platform import machine

from setuptools import Extension, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

PACKAGE = "foresql"
NOT_SHIPPED = [
    pattern
    for folder in ("benchmarks", "build", "docs", "tests")
    for pattern in (folder, f"{folder}.*")
]
NATIVE = Path("kernels/native")
WINDOWS = sys.platform == "win32"
SUFFIX = ".dll" if WINDOWS else ".so"
DUCKDB_API = "v1.5.6"  # of duckdb_api.h: DuckDB 1.5.6, 2.0 and later load what is built for it

# Contracting a multiplication and an addition into one rounding would change the bits.
FLAGS = (
    ["/std:c11", "/fp:precise"] if WINDOWS else ["-O3", "-ffp-contract=off", "-fvisibility=hidden"]
)

# Plain C, loaded through ctypes. Optional: without a compiler the numpy kernel gives the same bits.
native = Extension(
    f"{PACKAGE}.kernels.native._forest",
    sorted(path.as_posix() for path in NATIVE.glob("*.c")),
    depends=sorted(path.as_posix() for path in NATIVE.glob("*.h")),
    extra_compile_args=FLAGS,
    optional=True,
)

# What DuckDB loads is the kernel, too, with readers of bundles and registries around it.
DUCKDB = Path("udfs/duckdb/extension")
duckdb_extension = Extension(
    f"{PACKAGE}.udfs.duckdb.extension.foresql",
    sorted(path.as_posix() for folder in (DUCKDB, NATIVE) for path in folder.glob("*.c")),
    depends=sorted(path.as_posix() for folder in (DUCKDB, NATIVE) for path in folder.glob("*.h")),
    extra_compile_args=FLAGS,
    optional=True,
)


def duckdb_platform() -> str:
    """Name this platform as DuckDB does."""
    system = {"darwin": "osx", "win32": "windows"}.get(sys.platform, sys.platform)
    processor = machine().lower()
    processor = {"x86_64": "amd64", "aarch64": "arm64"}.get(processor, processor)
    is_musl = "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "")
    return f"{system}_{processor}{'_musl' if is_musl else ''}"


def duckdb_footer() -> bytes:
    """Say what DuckDB checks before it loads an extension: 8 fields, and room for a signature.

    Format: https://github.com/duckdb/duckdb/blob/main/scripts/append_metadata.cmake
    """
    version = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    fields = ("", "", "", "C_STRUCT", f"v{version}", DUCKDB_API, duckdb_platform(), "4")
    return b"".join(field.encode().ljust(32, b"\0") for field in fields) + bytes(256)


class BuildLibraries(build_ext):
    """Build shared libraries that know nothing of Python, so one serves every version of it."""

    def get_ext_filename(self, fullname: str) -> str:
        """Name the file without the version of Python that setuptools would put in."""
        *_, name = parts = fullname.split(".")  # setuptools also asks for the last part alone
        suffix = ".duckdb_extension" if duckdb_extension.name.endswith(f".{name}") else SUFFIX
        return str(Path(*parts)) + suffix

    def build_extension(self, ext: Extension) -> None:
        """Build a library; what DuckDB loads ends with a footer."""
        super().build_extension(ext)
        if ext is duckdb_extension:
            library = Path(self.get_ext_fullpath(ext.name))
            library.write_bytes(
                library.read_bytes().removesuffix(duckdb_footer()) + duckdb_footer()
            )

    def get_export_symbols(self, ext: Extension) -> list[str]:
        """Export what the sources mark: there is no PyInit function for Windows to export."""
        return list(ext.export_symbols)


class BuildWheel(bdist_wheel):
    """Build a wheel for a platform and every Python 3, or for any platform without a compiler."""

    def run(self) -> None:
        """Build the libraries first: the kind of wheel depends on whether that worked."""
        self.run_command("build")
        built = self.get_finalized_command("build_ext").get_outputs()
        if not any(Path(path).exists() for path in built):
            self.distribution.ext_modules = None
            self.root_is_pure = True
        super().run()

    def get_tag(self) -> tuple[str, str, str]:
        """Give the platform's own tag, but no version and no ABI of Python."""
        python, abi, platform = super().get_tag()
        return (python, abi, platform) if self.root_is_pure else ("py3", "none", platform)


setup(
    ext_modules=[native, duckdb_extension],
    cmdclass={"build_ext": BuildLibraries, "bdist_wheel": BuildWheel},
    # Under a build front end sys.argv[0] is the front end's; told its name, setuptools leaves this
    # file, which lies in the package's root, out of the wheel.
    script_name="setup.py",
    packages=[PACKAGE, *(f"{PACKAGE}.{name}" for name in find_packages(exclude=NOT_SHIPPED))],
)
