"""Findings of patterns and of models about one text, as one list. Pure.

A policy may name one kind and not another, so what a pattern found stays whatever a model finds in the same place,
and the other way round; only a model's span over no more than a pattern's of the same kind adds nothing. Only where a
pattern was weak may a model hold its finding for false.
"""

from collections.abc import Collection, Sequence
from typing import Final

from outpost.protocol.findings import Finding, Tier

WEAK_BELOW: Final = 0.75
"""Patterns without a check digit and without a context word score less (``docs/detectors.md``)."""


def is_weak(finding: Finding) -> bool:
    """Whether a model may hold ``finding`` for false."""
    return finding.tier is Tier.PATTERN and finding.score < WEAK_BELOW


def merge(patterns: Sequence[Finding], models: Sequence[Finding], doubted: Collection[Finding] = ()) -> list[Finding]:
    """One list, sorted by start, then longest first.

    Args:
        patterns: What tier 1 found.
        models: What tiers 2 and 3 found, of the kinds that count.
        doubted: Those of ``patterns`` that are weak and held for false.
    """
    kept = [finding for finding in patterns if finding not in doubted or not is_weak(finding)]
    added = [finding for finding in models if not any(_covers(other, finding) for other in kept)]
    return sorted([*kept, *added], key=lambda f: (f.start, -f.end, f.kind))


def _covers(pattern: Finding, span: Finding) -> bool:
    return pattern.kind == span.kind and pattern.start <= span.start and span.end <= pattern.end
