"""`python -m wayfare` is `wayfare`."""

from __future__ import annotations

import sys

from wayfare.cli import main

if __name__ == "__main__":
    sys.exit(main())
