"""Rules that customers write: compiled by the same linear engine, refused with a place and a reason, priced before use.

RE2 has neither back-references nor look-around, so no rule can make a scan slower than linear; what a rule can do is
hold many states or match nearly everything. ``estimate_cost`` tells both from the pattern itself.
"""

from dataclasses import dataclass
from typing import Any

import re2

from outpost.dlp.one_byte import compile_bytes
from outpost.errors import OutpostError

# Longer patterns are lists of words, for which there are dictionaries.
MAX_PATTERN_CHARS = 4096
# Instructions of RE2's program: the largest rule that ships has about 2,000.
MAX_COST = 10_000
# Ordinary text; a rule that matches most of its words finds nothing worth reporting, and costs a finding each time.
_ORDINARY = (
    "The committee will meet again next week, and everybody is asked to read the notes before 10 o'clock on Monday; "
    "please summarise the following paragraph in three sentences (see page 12) and keep the tone friendly."
)
_MAX_ORDINARY_MATCHES = 8


class RuleInvalid(OutpostError):
    """A customer's pattern cannot be used.

    Attributes:
        reason: One word: ``syntax``, ``unsupported``, ``too_long``, ``too_expensive``, ``matches_empty``,
            ``matches_everything``, ``not_latin1``.
        position: Character of the pattern at which the trouble begins, or ``None`` where RE2 does not tell.
    """

    def __init__(self, reason: str, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.reason, self.position = reason, position


@dataclass(frozen=True, slots=True)
class Cost:
    """What a rule costs.

    Attributes:
        instructions: Size of RE2's program; memory and the time of the first scans grow with it.
        has_literal: Whether every match holds some fixed text of three characters, so that most texts are passed over
            without a look at the rest of the rule.
    """

    instructions: int
    has_literal: bool


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A pattern that may be used in a detector."""

    pattern: str
    groups: int
    cost: Cost


def compile_rule(pattern: str) -> CompiledRule:
    """Check a customer's pattern.

    Raises:
        RuleInvalid: It cannot be used, and why.
    """
    if len(pattern) > MAX_PATTERN_CHARS:
        raise RuleInvalid("too_long", f"the pattern is longer than {MAX_PATTERN_CHARS} characters", MAX_PATTERN_CHARS)
    for position, character in enumerate(pattern):
        if ord(character) > 0xFF:  # noqa: PLR2004 - the engine reads one byte for each character
            raise RuleInvalid("not_latin1", "patterns are of Latin-1 characters; write a word list instead", position)
    compiled = _compile(pattern)
    cost = estimate_cost(pattern)
    if cost.instructions > MAX_COST:
        message = f"the pattern needs {cost.instructions} instructions, at most {MAX_COST} are allowed"
        raise RuleInvalid("too_expensive", message)
    if compiled.search(b"") is not None:
        raise RuleInvalid("matches_empty", "the pattern matches the empty text")
    matches = sum(1 for _ in compiled.finditer(_ORDINARY.encode("ascii")))
    if matches > _MAX_ORDINARY_MATCHES:
        raise RuleInvalid("matches_everything", "the pattern matches most words of ordinary text")
    return CompiledRule(pattern, compiled.groups, cost)


def estimate_cost(pattern: str) -> Cost:
    """What ``pattern`` costs.

    Raises:
        RuleInvalid: It cannot be compiled.
    """
    compiled = _compile(pattern)
    return Cost(int(compiled.programsize), _has_literal(pattern))


def _compile(pattern: str) -> Any:
    try:
        return compile_bytes(pattern)
    except re2.error as err:
        said = err.args[0] if err.args else b""
        problem, _, part = (said.decode("latin-1") if isinstance(said, bytes) else str(said)).partition(": ")
        place = pattern.find(part) if part else -1  # RE2 names the part that it refuses
        position = place if place >= 0 else None
        if "too large" in problem or "repetition size" in problem:
            raise RuleInvalid("too_expensive", "the pattern repeats too much", position) from err
        reason = "unsupported" if "perl operator" in problem or "escape" in problem else "syntax"
        raise RuleInvalid(reason, f"the pattern is not RE2 syntax: {problem}", position) from err


def _has_literal(pattern: str) -> bool:
    """Whether three ordinary characters follow one another outside brackets and alternatives."""
    run = longest = depth = 0
    escaped = in_class = False
    if "|" in pattern or "(?i" in pattern:
        return False
    for character in pattern:
        if escaped:
            escaped, run = False, (0 if character.isalnum() else run + 1)
        elif in_class:
            in_class = character != "]"
        elif character == "\\":
            escaped = True
        elif character == "[":
            in_class, run = True, 0
        elif character in "()":
            depth += 1 if character == "(" else -1
            run = 0
        elif character in "*?+{}.^$":
            run = 0
        else:
            run = run + 1 if depth == 0 else 0
        longest = max(longest, run)
    return longest >= 3  # noqa: PLR2004 - fewer letters are everywhere
