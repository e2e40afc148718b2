r"""A detector is data and at most one small function; adding one touches one file in ``detectors/``.

Rules every pattern keeps, because the streaming scanner's law rests on them (``stream.py``, ``hold.py``):

* RE2 syntax over Latin-1 bytes, one byte per code point (``engine.py``); no leading context is consumed, use ``\b``;
* a match holds only the characters of ``hold.WORD``, or single spaces between digit or IBAN groups, unless it sets
  ``open_ended_chars``; with spaces it is no longer than ``hold.LOOK_AHEAD_CHARS``, unless ``restartable``;
* a function looks at most two characters past a match, and context words are searched before it only.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

# A score is the estimated probability that the span is of its kind; 0.5 means as likely as not. Below it a finding
# would be wrong more often than right, so the engine stays silent (a policy may ask for more, never for less).
REPORT_SCORE = 0.5
# Of a span of the right shape that looks typed rather than made (``Detector.doubts``): rather a key than not.
DOUBTFUL_SCORE = 0.6


def touches_word(character: str) -> bool:
    """Whether this neighbour makes a match part of a longer word; a CJK neighbour does not, nor does ``""``."""
    return character == "_" or (character.isascii() and character.isalnum())


@dataclass(frozen=True, slots=True)
class Detector:
    """One way of finding one kind.

    Attributes:
        name: Stable name, with the validator if there is one (``card/luhn``).
        kind: ``domain.type`` of the taxonomy.
        pattern: RE2 pattern; the finding is its group ``group``.
        base_score: Score of a match that passed the function, without context.
        group: Group of the pattern that is the finding.
        validate: Of the matched text; False refuses the match.
        find: Instead of ``validate``: of (normalised text, start, end of the match), yields the spans within it.
        doubts: Of the text of a span; True caps its score at ``DOUBTFUL_SCORE``.
        context_words: Lower-case words; one of them shortly before the match gives ``context_score``. A longer word may
            begin with it, unless it ends with a blank.
        context_score: Score with context; 0 means context does not matter.
        refuse_words: Lower-case words that, directly before the match, refuse it (``version 1.2.3.4``).
        glue: A match is refused if one of these is directly before it, or directly after it and followed by a digit
            (``-``: or a letter): it is then a piece of something longer.
        open_ended_chars: A match that ends this close to the end of a stream may still grow across any character,
            unless the pattern's group 1 has matched.
        restartable: ``find`` reads a match from left to right and decides on no more than 64 characters ahead, so a
            stream may be cut between the spans it yields.
        trigger: Cheaper pattern that occurs wherever ``pattern`` does, or, if ``find`` asks for a name before the match
            (``before.py``), wherever the name does; it stands in the set instead. Repetitions of digits with optional
            separators multiply the set's states, runs of one character class do not.
        named: Whether ``find`` yields nothing unless ``trigger`` occurs in what ``before.py`` gives, or in the match.
        in_rewritten: Whether it also looks at decoded and joined text (``rewrite.py``). Not for shapes so loose that
            a decoded picture or two joined words would have them.
    """

    name: str
    kind: str
    pattern: str
    base_score: float
    group: int = 0
    validate: Callable[[str], bool] | None = None
    find: Callable[[str, int, int], Iterable[tuple[int, int]]] | None = None
    doubts: Callable[[str], bool] | None = None
    context_words: tuple[str, ...] = ()
    context_score: float = 0.0
    refuse_words: tuple[str, ...] = ()
    glue: str = ""
    open_ended_chars: int = 0
    restartable: bool = False
    trigger: str = ""
    named: bool = False
    in_rewritten: bool = True
