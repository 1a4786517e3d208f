"""``python -m foresql.cli``."""

from .main import main

main()
