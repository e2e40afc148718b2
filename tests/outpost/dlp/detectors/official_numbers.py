"""What every identifier of a table owes: found in each form, not with a wrong check digit, not glued, not alone."""

import random
import re
import string
from functools import cache

import re2

from outpost.dlp.detector import REPORT_SCORE
from outpost.dlp.engine import Engine
from outpost.dlp.identifiers import Identifier, detectors_of, pattern_of

_PIECE = re.compile(r"\[[^\]]*\]|.")
_MOST_TRIES = 60_000


def named(identifier):
    return identifier.name


@cache
def engine_of(identifier: Identifier) -> Engine:
    return Engine(detectors_of([identifier]))


@cache
def _signs(piece: str) -> str:
    classes = {"9": string.digits, "A": string.ascii_uppercase, "X": string.digits + string.ascii_uppercase}
    if piece.startswith("["):
        return "".join(c for c in map(chr, range(128)) if re2.fullmatch(piece, c))
    return classes.get(piece, piece)


def pieces(form: str) -> list[str]:
    """The characters that each place of a form may hold."""
    return [_signs(piece) for piece in _PIECE.findall(form)]


def passes(identifier: Identifier, written: str) -> bool:
    if identifier.validate is None:
        return True
    return identifier.validate(written if identifier.raw else re.sub(r"[ ./-]", "", written))


def filled(form: str, rng: random.Random) -> str:
    return "".join(rng.choice(signs) for signs in pieces(form))


def _poured(example: str, form: str) -> str | None:
    """The example's letters and digits in the places of another form."""
    signs = list(re.sub(r"[ ./-]", "", example))
    written = ""
    for allowed in pieces(form):
        if allowed in " ./-":
            written += allowed
        elif not signs or signs[0] not in allowed:
            return None
        else:
            written += signs.pop(0)
    return None if signs else written


def valid_in(identifier: Identifier, form: str) -> str:
    """A number that passes, written in this form: the example if it fits, else one made here."""
    poured = _poured(identifier.example, form)
    if poured is not None and passes(identifier, poured):
        return poured
    rng = random.Random(form)
    return next(w for _ in range(_MOST_TRIES) if passes(identifier, w := filled(form, rng)))


def spans(identifier: Identifier, text: str) -> list[str]:
    return [text[f.start : f.end] for f in engine_of(identifier).scan(text)]


def assert_found_in_every_form(identifier: Identifier) -> None:
    assert re2.fullmatch(pattern_of(identifier.forms[:1]), identifier.example)
    assert passes(identifier, identifier.example)
    for form in identifier.forms:
        written = valid_in(identifier, form)
        for word in (identifier.words[0].strip(), identifier.words[-1].strip().upper()):
            assert spans(identifier, f"{word}: {written}.") == [written], form


def assert_near_misses_are_not_found(identifier: Identifier) -> None:
    for form in identifier.forms:
        written = valid_in(identifier, form)
        word = identifier.words[0]
        for text in (f"{word} x{written}", f"{word} {written}x", f"{word} -{written}", f"{word} _{written}"):
            assert written not in spans(identifier, text), text
        wrong = _wrong(identifier, form, written)
        assert wrong is None or wrong not in spans(identifier, f"{word} {wrong} "), wrong


def _wrong(identifier: Identifier, form: str, written: str) -> str | None:
    """One sign changed so that the check fails, as far right as one can be; None without a check."""
    if identifier.validate is None:
        return None
    for place, allowed in reversed(list(enumerate(pieces(form)))):
        for sign in allowed:
            changed = written[:place] + sign + written[place + 1 :]
            if sign != written[place] and not passes(identifier, changed):
                return changed
    return None


def assert_silent_without_a_word_unless_strong(identifier: Identifier) -> None:
    detectors = {d.name: d for d in detectors_of([identifier])}
    for form in identifier.forms:
        written = valid_in(identifier, form)
        found = engine_of(identifier).scan(f"see {written} there")
        # All forms of digits alone of one number score alike; the others are one detector.
        best = max((d.base_score for d in detectors.values() if re2.fullmatch(d.pattern, written)), default=0)
        assert bool(found) == (best >= REPORT_SCORE), form
        assert all(f.score == detectors[f.detector].base_score for f in found)


def assert_refuses_as_many_as_it_says(identifier: Identifier, tries: int = 600) -> None:
    """``one_in`` is not larger than measured, five standard deviations aside."""
    for form in identifier.forms[:2]:
        rng = random.Random(form)
        passed = sum(passes(identifier, filled(form, rng)) for _ in range(tries))
        expected = tries / identifier.one_in
        assert passed <= expected * 1.1 + 5 * max(expected, 1) ** 0.5, form
