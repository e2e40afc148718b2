"""A decision: what is done with one request or one answer, by which rule, and why."""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What a rule can ask for. An action this version does not know refuses the whole bundle (ADR-0004)."""

    ALLOW = "ALLOW"
    BLOCK = "BLOCK"
    REDACT = "REDACT"


class Redaction(StrEnum):
    """What stands in place of something redacted (``outpost/proxy/redaction.py``)."""

    LABEL = "label"
    MASK = "mask"
    HASH = "hash"
    FORMAT = "format"
    RESTORE = "restore"


class Direction(StrEnum):
    """Which pass an inspection belongs to: the prompt (input) or the completion (output)."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome of evaluating one policy on one set of findings.

    Attributes:
        action: What to do. ``REDACT`` means: replace the ``redact`` findings and continue.
        rule_id: ``pack/rule`` that decided, or ``pack/default``, or a fixed name of a fail-closed row.
        reason: A sentence for people, without any inspected text.
        redact: Indices into the findings that were evaluated; these spans must be replaced.
        redactions: For each of ``redact``, what takes its place; empty if that is the label for all.
        kinds: Kinds of the findings that made the deciding rule match, sorted; empty if it needed none.
        message: What the caller is told in place of ``reason``; empty to tell them that.
    """

    action: Action
    rule_id: str
    reason: str
    redact: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    message: str = ""
    redactions: tuple[Redaction, ...] = ()

    def to_redact(self) -> tuple[tuple[int, Redaction], ...]:
        """Indices of the findings to replace, each with what takes its place."""
        modes = self.redactions or (Redaction.LABEL,) * len(self.redact)
        return tuple(zip(self.redact, modes, strict=True))
