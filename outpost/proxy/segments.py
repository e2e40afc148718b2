"""Segments: the texts of one body, grouped as they are inspected, with the way back to each place.

A segment is one unit of a conversation (a message, a choice, or everything else of the body). Its leaves are
joined by a separator that no pattern crosses; parts of one message are inspected once more joined directly, so
a value split over two parts is found. Every finding maps back to pieces of the original strings.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from outpost.dlp.engine import MAX_FINDINGS
from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode
from outpost.protocol.findings import Finding
from outpost.proxy.json_document import JsonDocument, Leaf, replace_texts
from outpost.proxy.spans import Span, label, replace_spans

SEPARATOR: Final = "\n\x1e\n"  # ASCII record separator between line ends: no detector's separators include it


_FIRST: Final = (0,)


class Scanner(Protocol):
    """Whatever finds things in one text (``outpost.dlp.engine.Engine``)."""

    def scan(self, text: str) -> list[Finding]:
        """Findings in ``text``, or ``CouldNotInspect``."""


class EachScanner(Protocol):
    """Whatever finds things in several (``seen.SeenTexts``)."""

    def scan_each(self, texts: Sequence[str]) -> Sequence[Sequence[Finding]]:
        """Findings in each of ``texts`` by itself, or ``CouldNotInspect``."""


class Segment(NamedTuple):
    """Leaves inspected as one text. A tuple, because a long conversation makes hundreds of them.

    Attributes:
        name: Where it is, for people: ``messages[2]``.
        leaves: The leaves in order.
        text: Their texts joined.
        starts: Offset of each leaf in ``text``.
        seams_only: Only findings that cross from one leaf into another count; the rest is found elsewhere.
        untrusted: It holds what nobody at this end has said (``surfaces/untrusted.py``).
    """

    name: str
    leaves: tuple[Leaf, ...]
    text: str
    starts: tuple[int, ...]
    seams_only: bool = False
    untrusted: bool = False

    def pieces(self, finding: Finding) -> Iterator[tuple[Leaf, int, int]]:
        """The parts of leaves that ``finding`` covers, as ``(leaf, start, end)`` within the leaf's text."""
        return self.covered(finding.start, finding.end)

    def covered(self, start: int, end: int) -> Iterator[tuple[Leaf, int, int]]:
        """Likewise of ``[start, end)``."""
        index = max(bisect_right(self.starts, start) - 1, 0)
        while index < len(self.leaves) and self.starts[index] < end:
            inside = max(start - self.starts[index], 0)
            until = min(end - self.starts[index], len(self.leaves[index].text))
            if inside < until:
                yield self.leaves[index], inside, until
            index += 1


@dataclass(frozen=True, slots=True)
class Located:
    """A finding and the segment (by index) in which it lies."""

    segment: int
    finding: Finding


def join(name: str, leaves: Sequence[Leaf], separator: str = SEPARATOR, *, seams_only: bool = False) -> Segment:
    """Make one segment of ``leaves``."""
    if len(leaves) == 1:
        return Segment(name, tuple(leaves), leaves[0].text, _FIRST, seams_only)
    starts: list[int] = []
    offset = 0
    for leaf in leaves:
        starts.append(offset)
        offset += len(leaf.text) + len(separator)
    return Segment(name, tuple(leaves), separator.join(leaf.text for leaf in leaves), tuple(starts), seams_only)


def inspect(scanner: EachScanner, segments: Sequence[Segment]) -> list[Located]:
    """Everything that is found, in the order of the segments.

    Raises:
        CouldNotInspect: A text is beyond the scanner's bounds, or all together hold too many findings.
    """
    located: list[Located] = []
    found = scanner.scan_each([segment.text for segment in segments])
    for index, (segment, findings) in enumerate(zip(segments, found, strict=True)):
        for finding in findings:
            if segment.seams_only and sum(1 for _ in segment.pieces(finding)) < 2:  # noqa: PLR2004 - a seam has two sides
                continue
            located.append(Located(index, finding))
        if len(located) > MAX_FINDINGS:  # the scanner bounds one text; a body has many
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, f"more than {MAX_FINDINGS} findings")
    return located


def touches(segments: Sequence[Segment], located: Iterable[Located], path: tuple[str | int, ...]) -> bool:
    """True if a finding covers any of the text at ``path``."""
    return any(leaf.path == path for item in located for leaf, _, _ in segments[item.segment].pieces(item.finding))


def text_of(segments: Sequence[Segment], item: Located) -> str:
    """The text that a finding covers."""
    return segments[item.segment].text[item.finding.start : item.finding.end] if segments else ""


def redact_document(
    document: JsonDocument,
    segments: Sequence[Segment],
    located: Iterable[Located],
    replacement: Callable[[Located, str], str] = lambda item, _: label(item.finding),
) -> bytes:
    """The document with every given finding replaced by its label, all other bytes as received.

    ``replacement`` may say something else than the label, given a finding and its text.
    """
    spans: dict[Leaf, list[Span]] = {}
    for item in located:
        text = replacement(item, text_of(segments, item))
        for leaf, start, end in segments[item.segment].pieces(item.finding):
            spans.setdefault(leaf, []).append(Span(start, end, text))
            text = ""
    replacements = {(leaf.ordinal, *leaf.inner): replace_spans(leaf.text, cut) for leaf, cut in spans.items()}
    return replace_texts(document.raw, replacements)
