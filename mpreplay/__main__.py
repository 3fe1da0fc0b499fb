"""The command line, as ``python -m mpreplay``."""

import sys

from .cli.commands import main

sys.exit(main())
