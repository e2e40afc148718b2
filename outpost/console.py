"""Runs a command line and ends the process as its user expects: one message on standard error, no traceback.

Exit codes: the command's own, 1 refused or failed, 2 usage. A reader that goes away (``| head``) is not reported.
"""

import os
import sys
from collections.abc import Callable

from outpost.errors import ConfigError, OutpostError
from outpost.protocol.logs import configure_logs


def run(command: Callable[[], object]) -> None:
    """Run ``command``; what it logs goes to standard error.

    Raises:
        SystemExit: Always when it fails, and if ``command`` raises it.
    """
    configure_logs("warning", sys.stderr)
    try:
        command()
    except ConfigError as err:
        fail("the settings are not valid:", *err.problems)
    except OutpostError as err:
        fail(str(err))
    except BrokenPipeError:
        # The reader of our output has gone; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as err:
        fail(": ".join(str(part) for part in (err.filename, err.strerror or type(err).__name__) if part))


def fail(*lines: str) -> None:
    """Say why, and end with 1."""
    for number, line in enumerate(lines):
        sys.stderr.write(f"outpost: {line}\n" if number == 0 else f"  - {line}\n")
    sys.exit(1)
