"""One training text with what is known about it; None means unknown, which no loss counts.

``spans`` may hold two labels that are no entities: ``+`` a number that is somebody's, ``-`` one that only looks like it
(for the context check); and ``?``: the annotators' type has no counterpart here, so the model is free there.
"""

from dataclasses import dataclass

from training.template import Span

ENTITIES = (
    "PERSON", "TITLE", "ORG", "LOCATION", "ADDRESS", "DATE", "DOB", "AGE", "NRP", "CONDITION", "MEDICATION", "USERNAME",
    "ID", "PASSWORD", "CODENAME",
)  # fmt: skip
TAGS = ("O", *(f"{prefix}-{label}" for label in ENTITIES for prefix in ("B", "I")))
ATTACKS = ("attack", "direct_injection", "indirect_injection", "jailbreak", "prompt_extraction", "obfuscation")
"""``attack`` is true with every other one."""
INTENTS = (
    "travel", "banking", "kitchen_and_dining", "home", "auto_and_commute", "credit_cards", "utility", "work", "meta",
    "small_talk", "coding", "other",
)  # fmt: skip
LANGUAGES = (
    "none", "Python", "JavaScript", "TypeScript", "Java", "C", "C++", "C#", "Ruby", "PHP", "Swift", "Perl", "Shell",
    "SQL", "HTML", "XML", "JSON", "YAML", "Makefile", "MATLAB",
)  # fmt: skip


@dataclass(slots=True)
class Row:
    """One text.

    Attributes:
        text: What the model reads.
        group: Its template, document or cluster of near-duplicates; a split never cuts through one.
        genre: Kind of text, for the card.
        spans: Entities, complete; None if nobody marked them.
        attacks: Indices into ``ATTACKS``; empty for a harmless text; None if nobody said.
        focus: Where the attack is, in code points, so that a window is cut around it.
        intent: Index into ``INTENTS``.
        language: Index into ``LANGUAGES``.
        embed: Whether the sentence embedding is to stay that of the base model.
    """

    text: str
    group: str
    genre: str
    spans: list[Span] | None = None
    attacks: tuple[int, ...] | None = None
    focus: tuple[int, int] | None = None
    intent: int | None = None
    language: int | None = None
    embed: bool = False
