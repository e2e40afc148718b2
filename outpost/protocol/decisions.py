"""A decision: what is done with one request or one answer, by which rule, and why."""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What a rule can ask for. An action this version does not know refuses the whole bundle (ADR-0004)."""

    ALLOW = "ALLOW"
    BLOCK = "BLOCK"
    REDACT = "REDACT"
    ROUTE_TO = "ROUTE_TO"


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
class Destination:
    """Where a request goes instead of where its caller sent it: a route, or a provider, a model or both."""

    route: str | None = None
    provider: str | None = None
    model: str | None = None

    def __str__(self) -> str:
        named = (("route", self.route), ("provider", self.provider), ("model", self.model))
        return ", ".join(f"{what} {name}" for what, name in named if name is not None)


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome of evaluating one policy on one set of findings.

    Attributes:
        action: What to do. ``REDACT`` means: replace the ``redact`` findings and continue. ``ROUTE_TO``: replace them,
            if there are any, and let ``destination`` serve it.
        rule_id: ``pack/rule`` that decided, or ``pack/default``, or a fixed name of a fail-closed row.
        reason: A sentence for people, without any inspected text.
        redact: Indices into the findings that were evaluated; these spans must be replaced.
        redactions: For each of ``redact``, what takes its place; empty if that is the label for all.
        kinds: Kinds of the findings that made the deciding rule match, sorted; empty if it needed none.
        message: What the caller is told in place of ``reason``; empty to tell them that.
        destination: Of ``ROUTE_TO``: who serves it, and nobody else.
    """

    action: Action
    rule_id: str
    reason: str
    redact: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    message: str = ""
    redactions: tuple[Redaction, ...] = ()
    destination: Destination | None = None

    def to_redact(self) -> tuple[tuple[int, Redaction], ...]:
        """Indices of the findings to replace, each with what takes its place."""
        modes = self.redactions or (Redaction.LABEL,) * len(self.redact)
        return tuple(zip(self.redact, modes, strict=True))
