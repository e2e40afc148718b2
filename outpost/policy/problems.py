"""What the linter says: one line each, with its place in a document."""

from dataclasses import dataclass
from enum import StrEnum

from outpost.protocol.json_tokens import Path, Place


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Problem:
    """One line of the report. ``line`` and ``column`` count from 1; ``path`` is where in the document."""

    document: str
    line: int
    column: int
    path: str
    severity: Severity
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Found:
    """A problem whose line is still to be looked up."""

    document: str
    path: Path
    severity: Severity
    code: str
    message: str
    place: Place | None = None
    """If it is not where the path is."""
