"""An org's own rules (``detectors.json``) as detectors like those that ship.

The streaming law (``stream.py``) holds for them too: what a match could still become is held back. For a single word
the scanner does so itself; for whatever holds blanks or letters without word boundaries, a silent detector claims the
last characters of a text, as many as the longest match has.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from stdnum import damm, luhn, verhoeff
from stdnum.iso7064 import mod_11_2, mod_11_10, mod_37_2, mod_37_36, mod_97_10

from outpost.dlp.custom_pattern import PatternInvalid, parse_pattern
from outpost.dlp.detector import Detector
from outpost.dlp.normalise import normalise
from outpost.protocol.detectors import Checksum, CustomRule

_MAX_BLANKS = 4  # between two words of a keyword: a line end and an indent
_FIRST_CJK = 0x2E80  # from here on scripts are written without spaces (CJK radicals)
_AFTER_CHARS = 2  # what stands after a match may decide

MAX_VARIABLE_CHARS_TOGETHER: Final = 500
"""What longest and shortest matches of all patterns may differ by: it multiplies the time that a scan takes."""
_END: Final = ""  # no character: a keyword may end here
_Node: TypeAlias = dict[str, "_Node"]

_CHECKSUMS: dict[Checksum, Callable[[str], bool]] = {
    Checksum.LUHN: luhn.is_valid,
    Checksum.VERHOEFF: verhoeff.is_valid,
    Checksum.DAMM: damm.is_valid,
    Checksum.ISO7064_MOD_11_2: mod_11_2.is_valid,
    Checksum.ISO7064_MOD_11_10: mod_11_10.is_valid,
    Checksum.ISO7064_MOD_37_2: mod_37_2.is_valid,
    Checksum.ISO7064_MOD_37_36: mod_37_36.is_valid,
    Checksum.ISO7064_MOD_97_10: mod_97_10.is_valid,
}


class CustomRuleInvalid(ValueError):
    """The pattern of the custom rule ``rule_id`` is not of the subset; ``position`` counts its characters from 0."""

    def __init__(self, rule_id: str, message: str, position: int = 0) -> None:
        self.rule_id = rule_id
        self.position = position
        super().__init__(f"custom rule {rule_id}: its pattern is refused {message}")


def custom_detectors(rules: Sequence[CustomRule]) -> tuple[tuple[Detector, ...], tuple[Detector, ...]]:
    """One detector or two for each rule; and the one that holds streams back, if a rule needs it.

    Raises:
        CustomRuleInvalid: A pattern is not of the subset.
        CouldNotInspect: A keyword is not Unicode text.
    """
    found: list[Detector] = []
    hold_chars = variable_chars = 0
    for rule in rules:
        if rule.pattern is not None:
            try:
                pattern = parse_pattern(rule.pattern, ignore_case=rule.ignore_case)
            except PatternInvalid as err:
                raise CustomRuleInvalid(rule.id, str(err), err.position) from err
            variable_chars += pattern.max_chars - pattern.min_chars
            if variable_chars > MAX_VARIABLE_CHARS_TOGETHER:
                message = f"because the patterns so far vary by {variable_chars} characters together"
                raise CustomRuleInvalid(rule.id, f"{message}; the limit is {MAX_VARIABLE_CHARS_TOGETHER}")
            found.append(_detector(rule, pattern.re2, validate=_checksum(rule)))
            needed = 0 if pattern.is_word else pattern.max_chars
        else:
            detectors, needed = _from_keywords(rule, rule.keywords or [])
            found += detectors
        hold_chars = max(hold_chars, needed)
    return tuple(found), (_hold(hold_chars),) if hold_chars else ()


def detector_name(rule: CustomRule) -> str:
    """The name under which a rule's findings are reported."""
    return f"custom/{rule.id}"


def _from_keywords(rule: CustomRule, keywords: Iterable[str]) -> tuple[list[Detector], int]:
    words = sorted(
        {_folded(normalise(keyword).text) for keyword in keywords} - {""}, key=lambda word: (-len(word), word)
    )
    longest = max(map(_longest, words), default=0)
    checksum = _checksum(rule)
    anchored = [word for word in words if _is_anchored(word)]
    detectors = []
    if anchored:
        pattern = "(?i:" + "|".join(dict.fromkeys(map(_shape, anchored))) + ")"
        detectors.append(_detector(rule, pattern, find=_finder(words, checksum)))
    if len(anchored) < len(words):
        # Their letters all look the same to the pattern, so it gives whole runs, and the function looks within.
        blanks = rf"\s{{1,{_MAX_BLANKS}}}"
        pattern = rf"[\x80-\xff](?:[\x80-\xff]|{blanks}[\x80-\xff])*"
        detectors.append(_detector(rule, pattern, find=_finder(words, checksum), restartable=True))
    hold = any(not word.isascii() or not all(c.isalnum() or c in "_-./@" for c in word) for word in words)
    return detectors, longest if hold else 0


def _detector(
    rule: CustomRule,
    pattern: str,
    *,
    validate: Callable[[str], bool] | None = None,
    find: Callable[[str, int, int], Iterable[tuple[int, int]]] | None = None,
    restartable: bool = False,
) -> Detector:
    return Detector(
        name=detector_name(rule),
        kind=rule.kind,
        pattern=pattern,
        base_score=rule.score,
        validate=validate,
        find=find,
        context_words=tuple(word.lower() for word in rule.context_words),
        context_score=rule.context_score or 0.0,
        restartable=restartable,
    )


def _hold(chars: int) -> Detector:
    # Group 1 never takes part: nothing follows the end. That keeps the claim open (``open_ended_chars``).
    pattern = rf"[\x00-\xff]{{1,{chars + _AFTER_CHARS}}}\z(x)?"
    return Detector(name="custom/hold", kind="custom.hold", pattern=pattern, base_score=0.0, open_ended_chars=1)


def _checksum(rule: CustomRule) -> Callable[[str], bool] | None:
    if rule.checksum is None:
        return None
    is_valid = _CHECKSUMS[rule.checksum]
    return lambda matched: is_valid("".join(c for c in matched if c.isascii() and c.isalnum()).upper())


def _folded(text: str) -> str:
    """Lower case, every run of blanks one space; how a keyword and a match are compared."""
    return " ".join(text.lower().split())


def _longest(word: str) -> int:
    return len(word) + word.count(" ") * (_MAX_BLANKS - 1)


def _is_anchored(word: str) -> bool:
    return any(c.isascii() and not c.isspace() for c in word)


def _shape(word: str) -> str:
    """A pattern over one byte per code point that matches wherever ``word`` stands, and seldom elsewhere."""
    return "".join(_byte_shape(c) for c in word)


def _byte_shape(character: str) -> str:
    if character == " ":
        return rf"\s{{1,{_MAX_BLANKS}}}"
    if not character.isascii():
        return r"[\x80-\xff]"
    return character if character.isalnum() else f"\\x{ord(character):02x}"


def _trie(words: Iterable[str]) -> _Node:
    root: _Node = {}
    for word in words:
        node = root
        for character in word:
            node = node.setdefault(character, {})
        node[_END] = {}
    return root


def _finder(
    known: Iterable[str], checksum: Callable[[str], bool] | None
) -> Callable[[str, int, int], Iterable[tuple[int, int]]]:
    root = _trie(known)

    def find(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
        at = start
        while at < end:
            stop = _keyword_end(text, at, end, root)
            if stop is None or (checksum is not None and not checksum(text[at:stop])):
                at += 1
            else:
                yield at, stop
                at = stop

    return find


def _keyword_end(text: str, start: int, end: int, root: _Node) -> int | None:
    """Where the longest keyword ends that begins at ``start``."""
    if _continues(text[start], text[max(0, start - 1) : start]):
        return None
    node, at, found = root, start, None
    while at < end:
        step, at = _step(text, at, end)
        for character in step:
            if character not in node:
                return found
            node = node[character]
        if _END in node and not _continues(text[at - 1], text[at : at + 1]):
            found = at
    return found


def _step(text: str, at: int, end: int) -> tuple[str, int]:
    """What stands at ``at`` as keywords write it, and the place after it."""
    if not text[at].isspace():
        return text[at].lower(), at + 1
    stop = at + 1
    while stop < end and text[stop].isspace() and stop - at < _MAX_BLANKS:
        stop += 1
    return " ", stop


def _continues(edge: str, neighbour: str) -> bool:
    """Whether ``neighbour`` makes the word that ends with ``edge`` longer."""
    return _is_letter(edge) and _is_letter(neighbour)


def _is_letter(character: str) -> bool:
    return character != "" and ord(character) < _FIRST_CJK and (character.isalnum() or character == "_")
