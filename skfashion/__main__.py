"""``python -m skfashion`` is the command ``skfashion``."""

import sys

from skfashion._cli.main import main

if __name__ == "__main__":
    sys.exit(main())
