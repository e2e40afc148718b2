"""Official numbers as data: what they look like, which check they pass, which words stand beside them.

Scores are odds, not taste. ``one_in`` says how many random fillings of the written form there are for each that passes
the check (a test measures it). What a form is worth before the check (``Shape``) times ``one_in`` gives the odds that
a match is the number; beside one of its words the odds before the check are ``_ODDS_IN_CONTEXT`` instead. So a number
with one check digit and nothing but digits is reported beside its words only, one with letters or two check digits in
an uncommon form also alone.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any

import re2

from outpost.dlp.before import before
from outpost.dlp.detector import REPORT_SCORE, Detector
from outpost.dlp.nations import ADJECTIVES, is_general, is_of_another
from outpost.dlp.normalise import normalise


class Shape(Enum):
    """Odds that something of this form is one given number, before any check and without any word beside it."""

    COMMON = 1 / 4000  # digits only: order numbers, time stamps, telephone numbers and amounts look the same
    UNCOMMON = 1 / 100  # digits in the groups in which the number is printed, or fifteen and more of them
    RARE = 1 / 4  # letters and digits in fixed places, or punctuation that few other things have
    SINGULAR = 3 / 2  # letters and digits in an order that next to nothing else has


# Beside its own words: five of six numbers of the form are the number, before the check.
_ODDS_IN_CONTEXT = 5.0
_MIN_SCORE, _MAX_SCORE = 0.001, 0.99
_LONG_DIGITS = 15
_SEPARATOR_SIGNS = frozenset(" -./")
_SEPARATORS = str.maketrans("", "", " -./")
# Said of the number of any country, in the languages of more than one.
ANY_COUNTRY = (
    "national id", "national identi", "identity card", "identity number", "identity document",
    "personal id", "citizen id", "citizen number", "id card number", "national number",
)  # fmt: skip


def score(odds: float) -> float:
    """The probability of these odds, never certainty of either."""
    return round(max(_MIN_SCORE, min(_MAX_SCORE, odds / (1 + odds))), 3)


@dataclass(frozen=True, slots=True)
class Identifier:
    """One official number.

    Attributes:
        name: Of the detectors, ``br-cpf``.
        kind: ``domain.type[.country]``.
        forms: As written: ``9`` a digit, ``A`` a capital, ``X`` either, ``[...]`` one of these, the rest itself.
        one_in: Random fillings of a form for each that ``validate`` takes; 1 without a check.
        words: Context words (``Detector.context_words``).
        example: A valid one in the first form, published as an example or made with its check digit.
        validate: Of the number without separators; None if there is nothing to check.
        check: What validates, as detectors' names say it.
        bare: Worth of the forms without separators; by default COMMON or UNCOMMON by length, RARE with letters.
        printed: Worth of the forms with separators.
        raw: ``validate`` takes the number with its separators.
    """

    name: str
    kind: str
    forms: tuple[str, ...]
    one_in: float
    words: tuple[str, ...]
    example: str
    validate: Callable[[str], bool] | None = None
    check: str = ""
    bare: Shape | None = None
    printed: Shape | None = None
    raw: bool = False


@cache
def _is_valid(module: str) -> Any:
    return import_module(f"stdnum.{module}").is_valid


def stdnum(module: str) -> Callable[[str], bool]:
    """``is_valid`` of a module of python-stdnum, loaded when the first candidate comes: a start needs none of them."""

    def validate(number: str) -> bool:
        try:
            return bool(_is_valid(module)(number))
        except (LookupError, ValueError):  # some modules look up regions in tables without every entry
            return False

    return validate


def split(words: str) -> tuple[str, ...]:
    """The entries of a list written with bars, normalised as the text is; a blank at the end of an entry counts."""
    return tuple(normalise(words).text.split("|")) if words else ()


def by_country(kind: str, words_of_all: tuple[str, ...]) -> Callable[..., Identifier]:
    """A row of a table by country: country, name, module of python-stdnum or "", forms, one_in, words, example."""

    def row(  # noqa: PLR0913, PLR0917 - columns
        country: str, name: str, module: str, forms: str, one_in: float, words: str, example: str, **more: Any
    ) -> Identifier:
        by_module: dict[str, Any] = {"validate": stdnum(module), "check": "stdnum"} if module else {}
        return Identifier(
            name=f"{country}-{name}",
            kind=f"{kind}.{country}",
            forms=split(forms),
            one_in=one_in,
            words=(*split(words), *words_of_all),
            example=example,
            **(by_module | more),
        )

    return row


def pattern_of(forms: Iterable[str]) -> str:
    """One pattern for these forms as whole words, longer ones first: a hyphen ends a word, too."""
    alternatives = [_one_pattern(form) for form in sorted(forms, key=_places, reverse=True)]
    body = alternatives[0] if len(alternatives) == 1 else f"(?:{'|'.join(alternatives)})"
    return rf"\b{body}\b"


def _places(form: str) -> int:
    return len(list(_pieces(form)))


def _one_pattern(form: str) -> str:
    pieces: list[str] = []
    counts: list[int] = []
    for piece in _pieces(form):
        if pieces and pieces[-1] == piece:
            counts[-1] += 1
        else:
            pieces.append(piece)
            counts.append(1)
    return "".join(p if n == 1 else f"{p}{{{n}}}" for p, n in zip(pieces, counts, strict=True))


def _pieces(form: str) -> Iterator[str]:
    at = 0
    while at < len(form):
        if form[at] == "[":
            end = form.index("]", at) + 1
            yield form[at:end]
            at = end
            continue
        yield {"9": "[0-9]", "A": "[A-Z]", "X": "[0-9A-Z]"}.get(form[at]) or re2.escape(form[at])
        at += 1


def _is_bare(form: str) -> bool:
    return not any(len(piece) <= 2 and piece[-1] in _SEPARATOR_SIGNS for piece in _pieces(form))  # noqa: PLR2004 - escaped


def _shape(form: str) -> Shape:
    # A place that takes letters and digits may hold a digit.
    if any(any(map(str.isalpha, piece)) and not any(map(str.isdigit, piece)) for piece in _pieces(form)):
        return Shape.RARE
    if _is_bare(form):
        return Shape.COMMON if _places(form) < _LONG_DIGITS else Shape.UNCOMMON
    return Shape.UNCOMMON


def detectors_of(identifiers: Iterable[Identifier]) -> tuple[Detector, ...]:
    """Their detectors: one for each form of digits alone, whose pattern other countries share, one for all others."""
    return tuple(detector for identifier in identifiers for detector in _detectors(identifier))


def _detectors(identifier: Identifier) -> Iterator[Detector]:
    digits = [form for form in identifier.forms if _is_bare(form) and _shape(form) is not Shape.RARE]
    letters = [form for form in identifier.forms if _is_bare(form) and _shape(form) is Shape.RARE]
    spaced = [form for form in identifier.forms if " " in form and _shape(form) is Shape.RARE]
    printed = [form for form in identifier.forms if not _is_bare(form) and form not in spaced]
    for form in digits:
        suffix = "" if form is digits[0] else f"-{_places(form)}"
        yield _of_its_nation(identifier, _detector(identifier, suffix, (form,), identifier.bare or _shape(form)))
    if letters:
        yield _detector(identifier, "-letters" if digits else "", letters, identifier.bare or Shape.RARE)
    if printed:
        shape = identifier.printed or min(map(_shape, printed), key=lambda s: s.value)
        yield _of_its_nation(identifier, _detector(identifier, "-printed" if digits or letters else "", printed, shape))
    for count, form in enumerate(spaced, 1):
        suffix = "-spaced" if count == 1 else f"-spaced-{count}"
        detector = _detector(identifier, suffix, (form,), identifier.printed or Shape.RARE)
        yield growing(detector, form)


def growing(detector: Detector, form: str) -> Detector:
    """``detector`` for a form with words and blanks, which a stream may cut: a match can be its first words only.

    The words so far are a match that ``validate`` refuses and ``open_ended_chars`` keeps together with what may follow;
    group 1 says that the last word was there.
    """
    words = form.split(" ")
    # Groups of digits and the blank after them wait in a stream as they are (``hold.py``).
    lead = next(i for i, word in enumerate(words) if _shape(word) is Shape.RARE)
    pattern = f"({_one_pattern(words[-1])})"
    for word in reversed(words[lead:-1]):
        pattern = f"{_one_pattern(word)}(?: {pattern})?"
    if lead:
        first = next(_pieces(words[lead]))
        pattern = "".join(f"{_one_pattern(word)} " for word in words[:lead]) + f"(?:{pattern}|{first}[0-9A-Z]*)"
    blanks, validate = len(words) - 1, detector.validate

    def complete(written: str) -> bool:
        return written.count(" ") == blanks and (validate is None or validate(written))

    longest = max(map(_places, words))
    before = "".join(f"{_one_pattern(word)} " for word in words[:lead])
    start = rf"\b{before}{next(_pieces(words[lead]))}" if lead else rf"\b{_one_pattern(words[0])}\b"
    return replace(detector, pattern=rf"\b{pattern}\b", trigger=start, validate=complete, open_ended_chars=longest + 2)


def _detector(identifier: Identifier, suffix: str, forms: Iterable[str], shape: Shape) -> Detector:
    validate = identifier.validate
    if validate is not None and not identifier.raw:
        validate = _without_separators(validate)
    return Detector(
        name=f"{identifier.name}{suffix}" + (f"/{identifier.check}" if identifier.check else ""),
        kind=identifier.kind,
        pattern=pattern_of(forms),
        validate=validate,
        base_score=score(shape.value * identifier.one_in),
        context_words=identifier.words,
        context_score=score(_ODDS_IN_CONTEXT * identifier.one_in),
        glue="-.+" if shape is Shape.COMMON else "-.+/",
    )


def _of_its_nation(identifier: Identifier, detector: Detector) -> Detector:
    """``detector`` that leaves a number to another nation if the text names that, and no word of its own is there."""
    country = identifier.kind.rpartition(".")[2]
    if country not in ADJECTIVES or detector.base_score >= REPORT_SCORE:
        return detector
    own = [re2.escape(word) for word in identifier.words if not is_general(word)]
    names = re2.compile(rf"(?i)(?:^|[^a-z])(?:{'|'.join(own)})") if own else None
    validate = detector.validate

    def find(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        if validate is not None and not validate(text[start:end]):
            return
        window = before(text, start)
        if not is_of_another(window, country) or (names is not None and names.search(window) is not None):
            yield start, end

    return replace(detector, validate=None, find=find)


def _without_separators(validate: Callable[[str], bool]) -> Callable[[str], bool]:
    def of_written(written: str) -> bool:
        return validate(written.translate(_SEPARATORS))

    return of_written
