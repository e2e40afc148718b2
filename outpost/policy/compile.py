"""Makes the documents of a bundle ready for use, or says why they cannot be.

What is read here was parsed before, but a pattern may still be no pattern, the detectors together may need more memory
than the engine has, and a budget asks for what this version cannot keep: each refuses the bundle whole, with a reason
that quotes names from the documents and nothing else. Pure, and takes up to seconds: run it beside the event loop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from outpost.dlp.allow import allowed_values, allowing
from outpost.dlp.custom import CustomRuleInvalid, custom_detectors
from outpost.dlp.detector import Detector
from outpost.dlp.engine import Engine, default_engine
from outpost.dlp.finder import SpanFinder
from outpost.dlp.lists import list_finder, list_name
from outpost.dlp.redact import MARKER_PREFIX
from outpost.dlp.registry import ALL
from outpost.errors import BundleRejected, CouldNotInspect
from outpost.policy.evaluate import CompiledPolicy, compile_policy
from outpost.policy.model_rules import ModelRules, model_rules
from outpost.policy.smoke import SmokeFailure, failures
from outpost.protocol.budgets import BudgetsDocument
from outpost.protocol.detectors import DetectorsDocument, DetectorSetting, ListRule
from outpost.protocol.documents import Document, PolicyDocument, kind_matches
from outpost.protocol.list_file import ListFileInvalid, list_target
from outpost.protocol.smoke import SmokeDocument

# Something of everything that makes the automaton of all patterns grow: groups of digits, words, addresses, scripts.
_PROBE: Final = (
    "4 53 719 2846 90317 125-88-0031 DE00 1234 5678 (030) 123.45.67 a.b@c.example sk-0aZ_9 10.0.0.1 "
    "The quick brown fox jumps over the lazy dog; schöne Mädchen, ça va? привет мир, 你好世界. -----BEGIN \n\t{}[]\n"
) * 8
_MAX_FAILURES_TOLD: Final = 5


@dataclass(frozen=True, slots=True)
class Lists:
    """The org's lists by id, as files, and the keys they were made with by key id."""

    contents: Mapping[str, bytes] = field(repr=False)
    keys: Mapping[str, bytes] = field(repr=False)


NO_LISTS: Final = Lists({}, {})


@dataclass(frozen=True, slots=True)
class Compiled:
    """A policy and the engine whose findings it is asked about."""

    policy: CompiledPolicy
    engine: Engine
    models: ModelRules = field(default_factory=ModelRules)
    """What of the models' findings counts."""


def compile_documents(
    policy: PolicyDocument,
    detectors: DetectorsDocument,
    budgets: BudgetsDocument,
    peppers: Mapping[str, bytes],
    lists: Lists | None,
) -> Compiled:
    """Compile.

    Args:
        policy: What is decided.
        detectors: What is looked for.
        budgets: Must be empty: see ADR 0004.
        peppers: Keys of the digests in the allow-list, by pepper id.
        lists: The lists that ``detectors`` name and the org's list keys, which serve the allow-list too;
            None to leave lists aside, which nobody who enforces may do.

    Raises:
        BundleRejected: Something in the documents cannot be used.
    """
    require_usable(budgets)
    return Compiled(compile_policy(policy), compile_engine(detectors, peppers, lists), model_rules(detectors, peppers))


def require_usable(document: Document) -> None:
    """Refuse a parsed document that would refuse every bundle it is in; for whoever publishes one.

    Raises:
        BundleRejected: It asks for budgets, or for detectors that do not compile.
    """
    if isinstance(document, BudgetsDocument) and document.budgets:
        raise BundleRejected(
            f"budgets.json: this version cannot enforce budgets and does not pretend to ({document.budgets[0].id}); "
            "publish a bundle without them"
        )
    if isinstance(document, DetectorsDocument):
        compile_engine(document, {}, None)


def compile_engine(document: DetectorsDocument, peppers: Mapping[str, bytes], lists: Lists | None) -> Engine:
    """The engine that ``document`` asks for; the one of all detectors that ship if it asks for nothing.

    Raises:
        BundleRejected: A custom rule is invalid, too large, or finds something in a redaction label; a list is not
            whole, not the one that is named, made with a key that is not here, or likewise finds something in a label.
    """
    if not (document.settings or document.allow or document.custom or (document.lists and lists)):
        return default_engine()
    try:
        custom, hold = custom_detectors(document.custom)
        digest_keys = {**lists.keys, **peppers} if lists else peppers
        detectors = allowing(_configured((*ALL, *custom), document), document.allow, digest_keys)
        finders = _finders(document, digest_keys, lists) if lists else ()
        engine = Engine((*detectors, *hold), finders=finders)
        _probe(engine, custom)
    except (CustomRuleInvalid, CouldNotInspect) as err:
        raise BundleRejected(f"detectors.json: {err}") from err
    return engine


def check_smoke(document: SmokeDocument, compiled: Compiled) -> None:
    """Run every smoke case.

    Raises:
        BundleRejected: A case comes out differently; names it, what was expected and what was decided.
    """
    refuse_failed(failures(document, compiled.engine, compiled.policy))


def refuse_failed(failed: Sequence[SmokeFailure]) -> None:
    """Return only if no smoke case failed.

    Raises:
        BundleRejected: Names the cases, what was expected and what was decided.
    """
    if failed:
        more = f" and {len(failed) - _MAX_FAILURES_TOLD} more" if len(failed) > _MAX_FAILURES_TOLD else ""
        told = "; ".join(str(failure) for failure in failed[:_MAX_FAILURES_TOLD])
        raise BundleRejected(f"smoke.json: {told}{more}")


def _finders(document: DetectorsDocument, digest_keys: Mapping[str, bytes], lists: Lists) -> tuple[SpanFinder, ...]:
    found = []
    for rule in document.lists:
        if rule.id not in lists.contents:
            raise BundleRejected(f"detectors.json: there is no {list_target(rule.id)}")
        allowed = allowed_values(rule.kind, document.allow, digest_keys)
        try:
            finder = list_finder(rule, lists.contents[rule.id], lists.keys, allowed)
        except ListFileInvalid as err:
            raise BundleRejected(f"{list_target(rule.id)}: {err}") from err
        if all(setting.enabled and rule.score >= (setting.min_score or 0) for setting in _settings(document, rule)):
            found.append(finder)
    return tuple(found)


def _settings(document: DetectorsDocument, rule: ListRule) -> list[DetectorSetting]:
    return [
        setting
        for setting in document.settings
        if (setting.detector == list_name(rule) if setting.kind is None else kind_matches(setting.kind, rule.kind))
    ]


def _configured(detectors: tuple[Detector, ...], document: DetectorsDocument) -> tuple[Detector, ...]:
    kept = []
    for detector in detectors:
        settings = [setting for setting in document.settings if _concerns(setting, detector)]
        if all(setting.enabled for setting in settings):
            least = max((setting.min_score for setting in settings if setting.min_score is not None), default=0.0)
            kept.append(_at_least(detector, least))
    return tuple(kept)


def _concerns(setting: DetectorSetting, detector: Detector) -> bool:
    if setting.kind is not None:
        return kind_matches(setting.kind, detector.kind)
    return setting.detector == detector.name


def _at_least(detector: Detector, score: float) -> Detector:
    """``detector`` whose scores below ``score`` are 0, which the engine does not report."""
    return replace(
        detector,
        base_score=detector.base_score if detector.base_score >= score else 0.0,
        context_score=detector.context_score if detector.context_score >= score else 0.0,
    )


def _probe(engine: Engine, custom: tuple[Detector, ...]) -> None:
    """Refuse what would refuse every request: too large an automaton, or labels that are findings themselves."""
    engine.scan(_PROBE)
    if not custom and not engine.finders:
        return
    own = Engine(custom, finders=engine.finders)
    kinds = {detector.kind for detector in engine.detectors} | {finder.report.kind for finder in engine.finders}
    for kind in sorted(kinds | {"unscannable.image"}):
        found = own.scan(f"{MARKER_PREFIX}{kind}]")
        if found:
            raise BundleRejected(
                f"detectors.json: {found[0].detector} finds something in the label that replaces {kind}; "
                "a redaction would never end"
            )
