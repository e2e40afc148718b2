"""``detectors.json``: which detectors an org uses, what they may overlook, and rules of its own.

Settings only take away: a disabled detector, a higher score. The allow-list says which exact values are no findings.
Custom rules are patterns of a closed, linear subset (``outpost/dlp/custom_pattern.py``) or plain keywords. Limits keep
the compiled engine within its memory; whether it is, is tried before the bundle is applied.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from outpost.protocol.documents import Document, Kind, Name, SchemaVersion, require_unique
from outpost.protocol.list_file import MAX_COLUMNS, MAX_LISTS, ListForm, ListId

MIN_REPORTED_SCORE = 0.5
"""Below it a finding is wrong more often than right and is never reported (``outpost/dlp/detector.py``)."""

MAX_SETTINGS = 500
MAX_ALLOW_ENTRIES = 500
MAX_ALLOWED_VALUES = 10_000  # per entry
MAX_CUSTOM_RULES = 100
MAX_KEYWORDS = 500  # per rule
MAX_KEYWORD_CHARS = 64
MAX_PATTERN_CHARS = 500
MAX_CONTEXT_WORDS = 50
MAX_TOPICS = 50
MAX_EXAMPLES = 200  # per topic
MAX_EXAMPLES_TOGETHER = 1000  # a model reads them in about three seconds when a bundle is applied
MAX_EXAMPLE_CHARS = 500  # one window of a model

CustomKind = Annotated[str, Field(pattern=r"^custom(?:\.[a-z][a-z0-9_]*)+$", max_length=48)]
"""``custom.`` and a name; 48 characters are what a redaction label holds."""
DetectorName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_./-]*$", max_length=64)]
ListKind = Annotated[str, Field(pattern=r"^org(?:\.[a-z][a-z0-9_]*)+$", max_length=48)]
"""``org.`` and a name; 48 characters are what a redaction label holds."""
TopicKind = Annotated[str, Field(pattern=r"^topic\.[a-z][a-z0-9_]*$", max_length=48)]
"""``topic.`` and a name; 48 characters are what a redaction label holds."""
EmailDomain = Annotated[
    str,
    Field(pattern=r"^(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$", max_length=253),
]
"""A domain in lower case (RFC 1035 §2.3.4); ``*.`` in front means its subdomains, and not itself."""
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Score = Annotated[float, Field(ge=0, le=1)]


class Checksum(StrEnum):
    """Check digits that a custom rule can require, over the letters and digits of the match."""

    LUHN = "luhn"
    VERHOEFF = "verhoeff"
    DAMM = "damm"
    ISO7064_MOD_11_2 = "iso7064_mod_11_2"
    ISO7064_MOD_11_10 = "iso7064_mod_11_10"
    ISO7064_MOD_37_2 = "iso7064_mod_37_2"
    ISO7064_MOD_37_36 = "iso7064_mod_37_36"
    ISO7064_MOD_97_10 = "iso7064_mod_97_10"


class DetectorSetting(Document):
    """Switches detectors off or asks more of them. Where several settings name one detector, all of them hold."""

    kind: Kind | None = None
    """Every detector of this kind; or ``detector``."""
    detector: DetectorName | None = None
    """One detector by name; or ``kind``. A name that no detector has changes nothing."""
    enabled: bool = True
    min_score: float | None = Field(default=None, ge=MIN_REPORTED_SCORE, le=1)
    """Findings below it are dropped before any rule sees them."""

    @model_validator(mode="after")
    def _says_something(self) -> "DetectorSetting":
        if (self.kind is None) == (self.detector is None):
            raise ValueError("give either kind or detector")
        if self.enabled and self.min_score is None:
            raise ValueError("give enabled: false or a min_score")
        return self


class KeyedDigests(Document):
    """Values that must not stand in the policy in clear, as digests under one of the org's list keys or peppers."""

    pepper_id: Name
    """The id of the list key (`outpost lists allow` makes such an entry) or pepper."""
    hmac_sha256: list[Digest] = Field(min_length=1, max_length=MAX_ALLOWED_VALUES)
    """Of the value in its plain form: ``outpost.dlp.allow.plain_form``."""


class AllowEntry(Document):
    """Exact values that are no findings when a detector of these kinds matches them."""

    id: Name
    kinds: list[Kind] = Field(min_length=1, max_length=100)
    values: list[Annotated[str, Field(min_length=1, max_length=256)]] | None = Field(
        default=None, min_length=1, max_length=MAX_ALLOWED_VALUES
    )
    """In plain text: for what is harmless, such as test card numbers."""
    digests: KeyedDigests | None = None
    email_domains: list[EmailDomain] | None = Field(default=None, min_length=1, max_length=1000)
    """Addresses at these domains, in lower case; ``*.`` in front means the subdomains, and not the domain itself."""

    @model_validator(mode="after")
    def _has_one_list(self) -> "AllowEntry":
        if sum(given is not None for given in (self.values, self.digests, self.email_domains)) != 1:
            raise ValueError("give exactly one of values, digests and email_domains")
        return self


class CustomRule(Document):
    """A detector of the org's own: a pattern or keywords."""

    id: Name
    kind: CustomKind
    pattern: str | None = Field(default=None, min_length=1, max_length=MAX_PATTERN_CHARS)
    keywords: list[Annotated[str, Field(min_length=2, max_length=MAX_KEYWORD_CHARS)]] | None = Field(
        default=None, min_length=1, max_length=MAX_KEYWORDS
    )
    """Whole words or phrases, in letters of any case; blanks match any run of blanks up to four."""
    ignore_case: bool = True
    """For ``pattern``, and ASCII letters."""
    score: Score = 0.9
    """Without a context word."""
    context_words: list[Annotated[str, Field(min_length=2, max_length=40)]] = Field(
        default=[], max_length=MAX_CONTEXT_WORDS
    )
    context_score: Score | None = None
    """With a context word among the 64 characters before the match."""
    checksum: Checksum | None = None

    @model_validator(mode="after")
    def _can_find(self) -> "CustomRule":
        if (self.pattern is None) == (self.keywords is None):
            raise ValueError("give either pattern or keywords")
        if (self.context_score is None) != (not self.context_words):
            raise ValueError("context_words and context_score go together")
        if max(self.score, self.context_score or 0) < MIN_REPORTED_SCORE:
            raise ValueError(f"a score below {MIN_REPORTED_SCORE} is never reported")
        return self


class ListRule(Document):
    """A list of the org's own that comes with the bundle as ``<id>.list``, made by ``outpost lists``."""

    id: ListId
    kind: ListKind
    form: Annotated[ListForm, Field(strict=False)]
    """What the file must be: ``words``, ``records`` or ``passages``."""
    score: float = Field(default=0.9, ge=MIN_REPORTED_SCORE, le=1)
    min_columns: int | None = Field(default=None, ge=2, le=MAX_COLUMNS)
    """For ``records``: how many values of one row must stand together; 2 unless it is said."""
    min_shared: int | None = Field(default=None, ge=1, le=20)
    """For ``passages``: how many fingerprints of one document must stand together; 2 unless it is said."""

    @model_validator(mode="after")
    def _fits_its_form(self) -> "ListRule":
        if self.min_columns is not None and self.form is not ListForm.RECORDS:
            raise ValueError("min_columns is for lists of records")
        if self.min_shared is not None and self.form is not ListForm.PASSAGES:
            raise ValueError("min_shared is for lists of passages")
        return self


class TopicRule(Document):
    """A subject that examples describe; only a model pack with a sentence embedding finds it."""

    id: Name
    kind: TopicKind
    examples: list[Annotated[str, Field(min_length=3, max_length=MAX_EXAMPLE_CHARS)]] = Field(
        min_length=1, max_length=MAX_EXAMPLES
    )
    """Texts as people would write them; ten or more, of one subject. They are published: write nothing real."""
    similarity: float | None = Field(default=None, gt=0, le=1)
    """From which nearness to the middle of its examples a text is of this topic; absent: as the pack was calibrated."""

    @model_validator(mode="after")
    def _examples_are_unique(self) -> "TopicRule":
        require_unique("example", self.examples)
        return self


class DetectorsDocument(Document):
    """``detectors.json``."""

    schema_version: SchemaVersion
    settings: list[DetectorSetting] = Field(default=[], max_length=MAX_SETTINGS)
    allow: list[AllowEntry] = Field(default=[], max_length=MAX_ALLOW_ENTRIES)
    custom: list[CustomRule] = Field(default=[], max_length=MAX_CUSTOM_RULES)
    lists: list[ListRule] = Field(default=[], max_length=MAX_LISTS)
    topics: list[TopicRule] = Field(default=[], max_length=MAX_TOPICS)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "DetectorsDocument":
        if sum(len(rule.examples) for rule in self.topics) > MAX_EXAMPLES_TOGETHER:
            raise ValueError(f"the topics have more than {MAX_EXAMPLES_TOGETHER} examples together")
        require_unique("topic id", [rule.id for rule in self.topics])
        require_unique("allow id", [entry.id for entry in self.allow])
        require_unique("custom rule id", [rule.id for rule in self.custom])
        require_unique("list id", [rule.id for rule in self.lists])
        return self
