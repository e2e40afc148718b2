"""Another reading of a text: tokens replaced by what they stand for, with the way back to the text.

A rewriter (``rewriters/``) proposes tokens, such as ``%34``, a run of base64 or the ``" + "`` between two strings.
``build`` copies the lines that hold one, with every token replaced; the engine scans the copy like any text, and
rewrites it once more. Only findings that touch a token count, for what holds none is found in the text itself.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

# How far before a match context words count: about ten words, the reach of "my card number, as I said, is".
CONTEXT_CHARS = 64
# Stands between lines that are no neighbours; no detector's separators include it.
SEPARATOR = "\n\x1e\n"
# What may be the beginning of a token, such as a joint with its line break, is no longer.
_LONGEST_UNFINISHED = 256


class Token(NamedTuple):
    """``text[start:end]`` of the text is read as ``text`` (normalised).

    With ``numerator`` > 0, each character of ``text`` stands for ``numerator / denominator`` characters, from ``start``
    on; else every one stands for the whole token. A token that ``goes_on`` was read together with the one before it.
    """

    start: int
    end: int
    text: str
    numerator: int = 0
    denominator: int = 1
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Rewriter:
    """One way of writing values so that they are not seen.

    Attributes:
        name: For people.
        trigger: RE2 pattern (Latin-1, one byte per code point) that occurs in every text with a token.
        tokens: Of (text, its bytes, begin, end): the tokens that start at ``begin`` or later and end by ``end``, in
            order, disjoint. What they are must not depend on the text before ``begin`` but for its words.
        unfinished: RE2 pattern of every end of a text that more text could make a token, or part of a longer one.
        joins: What stands before a token and what it says may be one value; else a token says all of it.
        together: Of (text, its bytes, begin): spans that were read as one though no token may have come of it; begun
            within one, the rest would be read differently.
    """

    name: str
    trigger: str
    tokens: Callable[[str, bytes, int, int], Sequence[Token]]
    unfinished: str
    joins: bool = False
    together: Callable[[str, bytes, int], Iterable[tuple[int, int]]] | None = None


# (where in the copy it begins, start and end in the text, numerator, denominator) until the next piece begins.
_Piece = tuple[int, int, int, int, int]
_at, _start_of, _end_of = itemgetter(0), itemgetter(0), itemgetter(2)


@dataclass(frozen=True, slots=True)
class View:
    """A rewritten copy of parts of a text.

    Attributes:
        text: The copy.
        begin: Where in the copy the text's own ``begin`` is.
        last: Whether the copy goes on to the end of the text.
    """

    text: str
    begin: int
    last: bool
    _pieces: list[_Piece]
    _tokens: list[tuple[int, int]]  # where each token is in the copy

    def touches_token(self, start: int, end: int) -> bool:
        """Whether a token lies in ``[start, end)`` of the copy, or directly beside it."""
        at = bisect_right(self._tokens, (end, len(self.text)))
        return at > 0 and self._tokens[at - 1][1] >= start

    def image(self, position: int) -> int | None:
        """Where in the copy ``position`` of the text is; ``None`` if the lines around it were not copied."""
        index = bisect_right(self._pieces, position, key=_end_of)
        if index == len(self._pieces):
            return len(self.text) if self.last else None
        at, start, _, numerator, denominator = self._pieces[index]
        if start > position:
            return None
        return at + position - start if numerator == denominator else at

    def original(self, position: int) -> int:
        """The place in the text that ``position`` of the copy was read from."""
        at, start, end, numerator, denominator = self._pieces[self._index(position)]
        return min(start + (position - at) * numerator // denominator, end) if numerator else start

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The part of the text that ``[start, end)`` of the copy was read from; it is not empty."""
        index = self._index(end - 1)
        at, first, stop, numerator, denominator = self._pieces[index]
        closes = end == (self._pieces[index + 1][0] if index + 1 < len(self._pieces) else len(self.text))
        if numerator and not closes:
            stop = min(stop, first + -(-(end - at) * numerator // denominator))
        return self.original(start), stop

    def _index(self, position: int) -> int:
        return max(bisect_right(self._pieces, position, key=_at) - 1, 0)


def build(text: str, tokens: Sequence[Token], begin: int = 0) -> View:
    """The lines of ``text`` that hold ``tokens`` (at least one), rewritten, with a little context before each."""
    parts: list[str] = []
    pieces: list[_Piece] = []
    places: list[tuple[int, int]] = []
    length = at = 0
    line_end = -1  # of the line that is being copied

    def copy(start: int, end: int) -> int:
        if start < end:
            pieces.append((length, start, end, 1, 1))
            parts.append(text[start:end])
        return length + max(end - start, 0)

    for start, end, said, numerator, denominator, _ in tokens:
        if start >= line_end:
            length = copy(at, line_end) if line_end > at else length
            done = max(at, line_end)
            context = max((text.rfind("\n", done, start) + 1 or done) - CONTEXT_CHARS, done)
            if context > done and parts:
                pieces.append((length, context, context, 0, 1))
                parts.append(SEPARATOR)
                length += len(SEPARATOR)
            at = context
        if at < start:
            pieces.append((length, at, start, 1, 1))
            parts.append(text[at:start])
            length += start - at
        if said:
            pieces.append((length, start, end, numerator, denominator))
            parts.append(said)
        places.append((length, length + len(said)))
        length += len(said)
        at = end
        if end > line_end:
            newline = text.find("\n", end)
            line_end = len(text) if newline < 0 else newline
    if len(text) - line_end <= _LONGEST_UNFINISHED:
        line_end = len(text)
    copy(at, line_end)
    copied = "".join(parts)
    return View(copied, _image(pieces, begin, len(copied)), line_end == len(text), pieces, places)


def uncut(tokens: Sequence[Token], cut: int) -> int:
    """The largest position up to ``cut`` that does not part tokens that were read together."""
    after = bisect_left(tokens, cut, key=_start_of)  # the first token that begins at the cut or later
    goes_on = after < len(tokens) and tokens[after].goes_on
    if after == 0 or not (goes_on or tokens[after - 1].end > cut):
        return cut
    first = after - 1
    while tokens[first].goes_on and first > 0:
        first -= 1
    return tokens[first].start


def _image(pieces: Sequence[_Piece], begin: int, length: int) -> int:
    if begin == 0:
        return 0
    index = bisect_right(pieces, begin, key=_end_of)
    if index == len(pieces):
        return length
    at, start, _, numerator, denominator = pieces[index]
    return at + max(begin - start, 0) if numerator == denominator else at
