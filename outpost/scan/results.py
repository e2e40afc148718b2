"""What a scan says: values that can cross a process and that hold no matched text unless it was asked for."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from outpost.protocol.decisions import Action

BINARY: Final = "unscannable.binary"
"""Content that is no text: reported like any finding, so a policy or ``--fail-on`` can name it."""


class Unscannable(StrEnum):
    """Why something could not be inspected although it should have been; never filtered, always a failure."""

    ARCHIVE = "unscannable.archive"
    UNREADABLE = "unscannable.unreadable"
    TEXT = "unscannable.text"


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a score came about.

    Attributes:
        base_score: Without context.
        context_score: With a context word; 0 if context does not matter.
        words: Context words that stand shortly before the match.
        validator: The check that the match passed, empty if there is none.
    """

    base_score: float
    context_score: float
    words: tuple[str, ...]
    validator: str


@dataclass(frozen=True, slots=True)
class ModelExplanation:
    """How the score of a model's finding came about; see ``outpost.models.results.ModelFinding``.

    Attributes:
        label: The head's own word.
        probability: Calibrated; the score is made of it and the threshold.
        threshold: From which it counts in a text of this length.
        window_chars: How much the model read at once.
        alternatives: Next most likely labels, with their probabilities.
    """

    label: str
    probability: float
    threshold: float
    window_chars: int
    alternatives: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """One finding in one file.

    Attributes:
        start: First code point of the decoded file, counted from 0; ``end`` is one past the last.
        line: Counted from 1, like ``column``, which counts code points; ``end_column`` is one past the last.
        before: What stands before it on its line, shortened, with every finding masked; ``after`` likewise.
        text: What was found; None unless it was asked for.
    """

    kind: str
    detector: str
    score: float
    tier: int
    start: int
    end: int
    line: int
    column: int
    end_line: int
    end_column: int
    before: str = ""
    after: str = ""
    text: str | None = field(default=None, repr=False)
    explanation: Explanation | ModelExplanation | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be inspected. The message quotes no content."""

    path: str
    kind: Unscannable
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy says about one file."""

    action: Action
    rule_id: str
    reason: str
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileResult:
    """What was found in one file, or in one member of an archive (``archive.zip!/member``).

    Attributes:
        omitted: Findings beyond the number that is listed.
    """

    path: str
    hits: tuple[Hit, ...] = ()
    binary: bool = False
    omitted: int = 0
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """Everything about one input; an archive has several files."""

    files: tuple[FileResult, ...] = ()
    problems: tuple[Problem, ...] = ()
    size_bytes: int = 0
