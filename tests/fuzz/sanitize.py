"""Run the tests of the native kernels under AddressSanitizer and UndefinedBehaviorSanitizer.

    make sanitize

They run on a copy of the package, so the normal build stays as it is. The first report ends the
run, with its stack.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from sanitized import gcc, sanitized_package

TESTS = ("test_native*.py", "test_program*.py", "test_symmetric*.py", "test_walk*.py")


def main() -> int:
    """Build and run."""
    with tempfile.TemporaryDirectory() as folder:
        package, environment = sanitized_package(Path(folder), gcc())
        tests = [path for name in TESTS for path in sorted((package / "tests/kernels").glob(name))]
        options = ["-q", "-s", "-p", "no:cacheprovider", *sys.argv[1:]]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        return subprocess.run(command, cwd=package, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
