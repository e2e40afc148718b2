"""Thresholds by length of text from the scores of the windows of honest documents; pure.

A text is flagged if any of its windows is, so for each length the threshold is what one window reaches so rarely that
texts of that many windows stay below the stated rate, as if windows were independent. They are not: those of one text
are like each other, so false ones come together and fewer texts are flagged than that. Where the rate is less than one
in as many windows as there are, a distribution of the tail says the rest (``training.fit``). Halves of the documents
check each other, and what they find stands in the card.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from training.fit import Floats, run_highest, tail_quantile, window_rate

HIGHEST = 0.9999  # of a threshold for long texts
Bounds = list[tuple[int | None, float]]
"""Up to how many tokens (None: all longer ones), and from which score on a label counts."""
LENGTHS: tuple[tuple[int | None, float], ...] = (
    (126, 0.005), (250, 0.01), (500, 0.01), (1_000, 0.01), (2_000, 0.02), (4_000, 0.02), (8_000, 0.02), (None, 0.02)
)  # fmt: skip
"""Up to how many tokens, and which part of harmless texts of that length may be flagged; 126 is one window."""
LONGEST_TOKENS = 32_000  # what the last threshold is made for; longer texts are flagged more often than stated


def long_thresholds(logits: Floats, first: float, windows: Callable[[int], int]) -> Bounds:
    """For each length the score that a text of that many windows reaches rarely enough; never below the one before.

    Args:
        logits: Of each window the highest of any kind of attack.
        first: The threshold for texts of one window.
        windows: How many windows a text of so many tokens has.
    """
    made: Bounds = [(LENGTHS[0][0], first)]
    for limit, rate in LENGTHS[1:]:
        value = tail_quantile(list(logits), window_rate(rate, windows(limit or LONGEST_TOKENS)))
        score = float(np.ceil(1e4 / (1 + np.exp(-value)))) / 1e4
        made.append((limit, min(HIGHEST, max(made[-1][1], score))))
    return made


def checks(found: Sequence[Floats], first: float, windows: Callable[[int], int]) -> Iterator[str]:
    """Per length how many runs of windows of one half of the documents are flagged by thresholds from the other half.

    Args:
        found: Per document the logits of its windows.
        first: The threshold for texts of one window.
        windows: How many windows a text of so many tokens has.
    """
    halves = (np.concatenate(found[::2]), np.concatenate(found[1::2]))
    flagged: dict[int | None, list[bool]] = {}
    for mine, other in (halves, halves[::-1]):
        for limit, score in long_thresholds(mine, first, windows)[1:]:
            bound = float(np.log(score / (1 - score)))
            highest = run_highest(list(other), windows(limit or LONGEST_TOKENS))
            flagged.setdefault(limit, []).extend(value >= bound for value in highest)
    for limit, flags in flagged.items():
        yield f"{limit or LONGEST_TOKENS} tokens, checked across halves: {sum(flags)} of {len(flags)} flagged"
