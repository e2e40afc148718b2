"""The version this program reports about itself."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

UNKNOWN: Final = "0+unknown"


def outpost_version() -> str:
    """The installed distribution's version; ``0+unknown`` when run from a tree that is not installed."""
    try:
        return version("hybrid-outpost")
    except PackageNotFoundError:
        return UNKNOWN
