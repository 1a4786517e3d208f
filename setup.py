"""Package list and native kernel of a build; everything else is in pyproject.toml.

`[tool.setuptools.packages.find]` cannot find packages under a mapped root: it would name the
folders `ir`, `kernels`, ... and not `foresql.ir`. So the names are made here, and a new folder
needs no edit: an `__init__.py` makes it a package.
"""

import sys

from setuptools import Extension, find_packages, setup

PACKAGE = "foresql"
NOT_SHIPPED = [
    pattern
    for folder in ("benchmarks", "build", "docs", "tests")
    for pattern in (folder, f"{folder}.*")
]

# Plain C, loaded through ctypes. Optional: without a compiler the numpy kernel gives the same bits.
# Contracting a multiplication and an addition into one rounding would change them.
native = Extension(
    f"{PACKAGE}.kernels.native._forest",
    ["kernels/native/forest.c"],
    depends=["kernels/native/blend.h"],
    extra_compile_args=[]
    if sys.platform == "win32"
    else ["-O3", "-ffp-contract=off", "-fvisibility=hidden"],
    optional=True,
)

setup(
    ext_modules=[native],
    # Under a build front end sys.argv[0] is the front end's; told its name, setuptools leaves this
    # file, which lies in the package's root, out of the wheel.
    script_name="setup.py",
    packages=[PACKAGE, *(f"{PACKAGE}.{name}" for name in find_packages(exclude=NOT_SHIPPED))],
)
