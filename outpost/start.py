"""The ``outpost`` console script: ``outpost scan`` starts without the rest of the program.

It runs before every commit, and importing what only a gateway needs takes longer than most scans (docs/scan.md).
"""

import sys

from outpost.console import run


def main() -> None:
    """Run the command that the arguments name."""
    if sys.argv[1:2] == ["scan"]:
        from outpost.scan.command import scan_cli as program  # noqa: PLC0415 - only what is needed
    else:
        from outpost.cli import cli as program  # noqa: PLC0415 - only what is needed
    run(program)
