"""Where in a long text each pattern is looked for: around the blocks in which the prefilter saw its trigger.

A match that can hold no line break lies in one line, so to search the lines around such a block finds what a search of
the whole text would find there; likewise words for what can hold no blank. Other patterns are looked for everywhere.
"""

from collections.abc import Callable, Sequence

from outpost.dlp.pieces import can_hold, longest

# Small enough to leave most of a text out, large enough that looking into each block costs little beside reading it.
BLOCK_CHARS = 8192
# A trigger that is no longer lies in one block and what is read after it. A match's own begins or ends that near it.
TRIGGER_MAX_CHARS = 512
# A block is read with that much before it, so that its first word is seen to begin or to go on.
_BEFORE_CHARS = 8

# Begin and end, in order, disjoint.
Regions = list[tuple[int, int]]


def is_short(trigger: str) -> bool:
    """Whether ``trigger`` fits into what is read of a block."""
    return longest(trigger) <= TRIGGER_MAX_CHARS


def boundary_of(pattern: str) -> bytes:
    """A sign that no match of ``pattern`` can hold: a blank, else a line break, else none."""
    return next((sign.encode() for sign in " \n" if not can_hold(pattern, sign)), b"")


def blocks_of(raw: bytes, present: Callable[[bytes], Sequence[int]]) -> dict[int, list[int]]:
    """The blocks of ``raw`` in which each pattern occurs, in order; a pattern that occurs nowhere is left out."""
    blocks: dict[int, list[int]] = {}
    for begin in range(0, len(raw), BLOCK_CHARS):
        piece = raw[max(0, begin - _BEFORE_CHARS) : begin + BLOCK_CHARS + TRIGGER_MAX_CHARS]
        for index in present(piece):
            blocks.setdefault(index, []).append(begin)
    return blocks


def regions_of(raw: bytes, blocks: Sequence[int], boundary: bytes) -> Regions:
    """The stretches of ``raw`` between two ``boundary`` signs that hold a match whose trigger is in ``blocks``."""
    regions: Regions = []
    done = 0
    for block in blocks:
        first, last = max(0, block - _BEFORE_CHARS - 1), min(block + BLOCK_CHARS + 2 * TRIGGER_MAX_CHARS, len(raw))
        if last <= done:
            continue
        begin = done if first <= done else raw.rfind(boundary, done, first) + 1 or done
        found = raw.find(boundary, last)
        done = len(raw) if found < 0 else found
        if regions and begin <= regions[-1][1]:
            begin = regions.pop()[0]
        regions.append((begin, done))
    return regions
