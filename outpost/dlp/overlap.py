"""Which findings stay when spans overlap.

Best first (higher score, then longer, then earlier, then by name), a finding stays unless one that stays already
(a) is of the same kind and overlaps it, or (b) is of another kind and has the same span, lies within it or contains it.
So findings of one kind never overlap, and different kinds overlap only where neither contains the other.
"""

from bisect import bisect_right

from outpost.protocol.findings import Finding


class _Kept:
    """Disjoint spans of one kind, sorted."""

    __slots__ = ("ends", "starts")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        at = bisect_right(self.starts, start)
        self.starts.insert(at, start)
        self.ends.insert(at, end)

    def overlaps(self, start: int, end: int) -> bool:
        at = bisect_right(self.starts, start)
        return (at > 0 and self.ends[at - 1] > start) or (at < len(self.starts) and self.starts[at] < end)

    def nests(self, start: int, end: int) -> bool:
        """Whether a span contains ``[start, end)`` or lies within it."""
        at = bisect_right(self.starts, start)
        if at > 0 and (self.ends[at - 1] >= end or (self.starts[at - 1] == start and self.ends[at - 1] <= end)):
            return True
        return at < len(self.starts) and self.ends[at] <= end


def resolve(findings: list[Finding]) -> list[Finding]:
    """The findings that stay, sorted by start, then longest first."""
    if len(findings) < 2:  # noqa: PLR2004 - nothing to compare with
        return findings
    kept: dict[str, _Kept] = {}
    result = []
    for finding in sorted(findings, key=_best_first):
        start, end = finding.start, finding.end
        if any(s.overlaps(start, end) if kind == finding.kind else s.nests(start, end) for kind, s in kept.items()):
            continue
        kept.setdefault(finding.kind, _Kept()).add(start, end)
        result.append(finding)
    result.sort(key=lambda f: (f.start, -f.end, f.kind))
    return result


def _best_first(finding: Finding) -> tuple[float, int, int, str, str]:
    return -finding.score, finding.start - finding.end, finding.start, finding.kind, finding.detector
