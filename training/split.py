"""Which texts are held back: whole groups (templates, documents, near-duplicates), by a digest of what they are.

A text is for development when the digest of its group falls in one part of eight, so an edit of one template moves no
other one across. Near-duplicates (5-grams of characters, Jaccard ≥ 0.7 by MinHash, Broder 1997) share a group.
"""

import hashlib
import random
import re
from collections.abc import Sequence

PARTS = 8  # one group in eight is held back
_HASHES = 64
_BANDS = 16  # of 4 rows: catches Jaccard 0.7 with probability 0.99, 0.3 with 0.12
_PRIME = (1 << 61) - 1


def digest(text: str) -> int:
    """64 bits of SHA-256; the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def held_out(group: str) -> bool:
    """Whether texts of this group are for development and never trained on."""
    return digest(group) % PARTS == 0


def signature(text: str) -> tuple[int, ...]:
    """The MinHash of a text's character 5-grams, case and spacing ignored."""
    plain = re.sub(r"\W+", " ", text.lower())
    grams = {digest(plain[at : at + 5]) % _PRIME for at in range(max(1, len(plain) - 4))}
    rng = random.Random(0)  # noqa: S311 - fixed hash functions, nothing secret
    made = []
    for _ in range(_HASHES):
        a, b = rng.randrange(1, _PRIME), rng.randrange(_PRIME)
        made.append(min((a * gram + b) % _PRIME for gram in grams))
    return tuple(made)


def groups(texts: Sequence[str], prefix_chars: int = 1500) -> list[int]:
    """For each text the index of the first one that is nearly the same (its own if there is none before it)."""
    parent = list(range(len(texts)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    rows = _HASHES // _BANDS
    seen: dict[tuple[int, ...], int] = {}
    for index, text in enumerate(texts):
        mark = signature(text[:prefix_chars])
        for band in range(_BANDS):
            other = seen.setdefault((band, *mark[band * rows : band * rows + rows]), index)
            left, right = sorted((root(other), root(index)))
            parent[right] = left
    return [root(index) for index in range(len(texts))]
