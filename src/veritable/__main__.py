"""Run the command line: `python -m veritable --help`."""

import sys

from veritable.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
