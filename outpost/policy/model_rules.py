"""What a bundle makes of what models find: which kinds it asks for, and which findings its documents let count. Pure.

A rule that names a kind which only a model can find demands a model: without one the rule would be silent, so the
bundle is refused whole. A rule with a wider pattern (``pii.*``) takes what models find where there are models.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from outpost.dlp.allow import allow_tests
from outpost.dlp.redact import MARKER_PREFIX
from outpost.dlp.taxonomy import KINDS, Source, documentation
from outpost.errors import BundleRejected
from outpost.policy.evaluate import CompiledPolicy, CompiledRule, Facts
from outpost.protocol.detectors import DetectorsDocument
from outpost.protocol.document_set import NO_DETECTORS
from outpost.protocol.documents import kind_matches
from outpost.protocol.findings import Finding
from outpost.protocol.model_card import ANY_TOPIC
from outpost.protocol.topics import TopicSet

# A label of ours, and nothing that a stranger could hide a name in.
_LABEL: Final = re.compile(re.escape(MARKER_PREFIX) + r"([a-z0-9_.]{1,48})\]")
_OWN: Final = "custom."

Allowed = Callable[[str, str], bool]
"""Of (kind, matched text)."""


@dataclass(frozen=True, slots=True)
class ModelRules:
    """Settings and allow-list of a bundle's ``detectors.json``, for findings of models."""

    document: DetectorsDocument = NO_DETECTORS
    allowed: Allowed = lambda _kind, _matched: False
    topics: TopicSet | None = None
    """What the org described by examples."""

    def offered(self, by_pack: Collection[str]) -> frozenset[str]:
        """The kinds that a pack finds which offers ``by_pack``: of topics those that the org describes."""
        topics = self.topics.kinds if self.topics is not None and ANY_TOPIC in by_pack else frozenset()
        return frozenset(kind for kind in by_pack if kind != ANY_TOPIC) | topics

    def counting(self, text: str, findings: Iterable[Finding]) -> list[Finding]:
        """Those findings of ``text`` that count. What lies within a redaction label is none."""
        labels = [m.span() for m in _LABEL.finditer(text) if documentation(m[1]) or m[1].startswith(_OWN)]
        return [
            finding
            for finding in findings
            if self._enabled(finding)
            and not any(start <= finding.start and finding.end <= end for start, end in labels)
            and not self.allowed(finding.kind, text[finding.start : finding.end])
        ]

    def _enabled(self, finding: Finding) -> bool:
        for setting in self.document.settings:
            if setting.kind is not None:
                concerns = kind_matches(setting.kind, finding.kind)
            else:
                concerns = setting.detector == finding.detector
            if concerns and (not setting.enabled or finding.score < (setting.min_score or 0.0)):
                return False
        return True


def model_rules(document: DetectorsDocument, peppers: Mapping[str, bytes]) -> ModelRules:
    """Make the documents' word about models ready."""
    tests = [(entry.kinds, test) for entry, test in allow_tests(document.allow, peppers)]

    def allowed(kind: str, matched: str) -> bool:
        return any(test(matched) for kinds, test in tests if any(kind_matches(pattern, kind) for pattern in kinds))

    return ModelRules(document, allowed, TopicSet.of(document))


def demanded(policy: CompiledPolicy) -> frozenset[str]:
    """The kinds, or families (``attack.*``), that rules name and that only a model can find."""
    return frozenset(kind for pack in policy.packs for rule in pack.rules for kind in _demanded_by(rule))


def require_offered(policy: CompiledPolicy, offered: Collection[str]) -> None:
    """Refuse a policy that demands what no model here finds.

    Raises:
        BundleRejected: Names the first such kind.
    """
    missing = _missing(demanded(policy), offered)
    if missing:
        raise BundleRejected(
            f"policy.json: only a model finds {missing[0]}, and no model of this outpost does; use a pack that does "
            "(models_pack), describe the topic in detectors.json, or leave the rule out"
        )


def models_wanted(policy: CompiledPolicy, facts: Facts, offered: Collection[str]) -> bool:
    """Whether any finding of ``offered`` kinds could change what is decided about an exchange with ``facts``."""
    if not offered:
        return False
    rules = [rule for pack in policy.packs for rule in pack.rules if rule.applies_to(facts)]
    return any(rule.names(kind) for rule in rules for kind in offered)


def kinds_wanted(policy: CompiledPolicy, facts: Facts, offered: Collection[str]) -> frozenset[str]:
    """Those of ``offered`` kinds of which a finding could."""
    rules = [rule for pack in policy.packs for rule in pack.rules if rule.applies_to(facts)]
    return frozenset(kind for kind in offered if any(rule.names(kind) for rule in rules))


def missing_for(policy: CompiledPolicy, facts: Facts, offered: Collection[str]) -> Sequence[str]:
    """What rules that apply to ``facts`` demand and no model finds."""
    rules = [rule for pack in policy.packs for rule in pack.rules if _demanded_by(rule) and rule.applies_to(facts)]
    return _missing({kind for rule in rules for kind in _demanded_by(rule)}, offered)


def _missing(wanted: Iterable[str], offered: Collection[str]) -> list[str]:
    return sorted(pattern for pattern in wanted if not any(kind_matches(pattern, kind) for kind in offered))


def _demanded_by(rule: CompiledRule) -> tuple[str, ...]:
    return () if rule.kinds is None else _demanded_of(rule.kinds)


@lru_cache(maxsize=4_096)  # asked of every rule for every request; more than this only forgets
def _demanded_of(kinds: frozenset[str]) -> tuple[str, ...]:
    return tuple(kind for kind in kinds if only_models_find(kind))


@lru_cache(maxsize=4_096)
def only_models_find(pattern: str) -> bool:
    """Whether nothing but a model can report ``pattern``, a kind or a family."""
    if pattern.endswith("*"):
        inside = [kind for kind in KINDS if pattern != "*" and kind.name.startswith(pattern[:-1])]
        return bool(inside) and all(kind.source is Source.MODEL for kind in inside)
    known = documentation(pattern)
    return known is not None and known.source is Source.MODEL
