"""``python -m graphviz_ad`` is the command ``graphviz-ad``."""

from __future__ import annotations

import sys

from graphviz_ad._internal.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
