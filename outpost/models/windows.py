"""Cuts a long text into overlapping windows, so that depth and length do not matter. Pure; all counts are tokens.

Each token counts in one window only: in the one where it is farther from the edge, because a model sees less of what
surrounds a token there.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens ``[start, end)`` are read together; of them ``[keep_start, keep_end)`` count."""

    start: int
    end: int
    keep_start: int
    keep_end: int


def cut(count: int, room: int, overlap: int) -> list[Window]:
    """Windows over ``count`` tokens, each of at most ``room``, neighbours sharing ``overlap``; none for no tokens.

    What counts in them covers every token exactly once, in order.

    Raises:
        ValueError: ``overlap`` is half of ``room`` or more, so that tokens would be in three windows.
    """
    if not 0 <= 2 * overlap < room:
        raise ValueError(f"windows of {room} tokens cannot overlap by {overlap}")
    starts = [0] if count else []
    while starts and starts[-1] + room < count:
        starts.append(starts[-1] + room - overlap)
    ends = [min(start + room, count) for start in starts]
    # In the overlap of two windows the first half counts in the first of them.
    seams = [(end + start + 1) // 2 for end, start in zip(ends, starts[1:], strict=False)]
    keeps = [0, *seams, count]
    return [
        Window(start, end, keeps[index], keeps[index + 1])
        for index, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
