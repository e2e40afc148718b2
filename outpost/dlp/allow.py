"""What an org says is no finding: exact values, digests of values, addresses at its own domains.

An allowed value is dropped where its detector accepts it, before overlaps are settled, so it never hides another
finding in the same place.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from outpost.dlp.detector import Detector
from outpost.dlp.normalise import normalise
from outpost.protocol.detectors import AllowEntry
from outpost.protocol.documents import kind_matches

_BLANKS = re.compile(r"\s+")
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])[.-](?=[0-9])")
_DIGEST_PURPOSE = b"outpost/allow/v1\0"  # the pepper also keys digests of virtual keys


def plain_form(value: str) -> str:
    """The form in which values are compared: without blanks and without separators between digits, in lower case.

    Raises:
        CouldNotInspect: It is not Unicode text.
    """
    return _BETWEEN_DIGITS.sub("", _BLANKS.sub("", normalise(value).text)).lower()


def allow_digest(pepper: bytes, value: str) -> str:
    """The digest by which ``value`` is listed in ``digests.hmac_sha256``: hex HMAC-SHA256 of its plain form."""
    return hmac.new(pepper, _DIGEST_PURPOSE + plain_form(value).encode(), hashlib.sha256).hexdigest()


def allowing(
    detectors: Iterable[Detector], entries: Sequence[AllowEntry], peppers: Mapping[str, bytes]
) -> tuple[Detector, ...]:
    """``detectors`` that overlook what ``entries`` allow. Digests whose pepper is not here allow nothing."""
    adapted: list[Detector] = []
    given = allow_tests(entries, peppers)
    for detector in detectors:
        tests = [test for entry, test in given if any(kind_matches(kind, detector.kind) for kind in entry.kinds)]
        adapted += _overlooking(detector, tests) if tests else (detector,)
    return tuple(adapted)


def allow_tests(
    entries: Sequence[AllowEntry], peppers: Mapping[str, bytes]
) -> list[tuple[AllowEntry, Callable[[str], bool]]]:
    """Each entry with what says whether it allows a matched text."""
    return [(entry, _test(entry, peppers)) for entry in entries]


def allowed_values(
    kind: str, entries: Sequence[AllowEntry], peppers: Mapping[str, bytes]
) -> Callable[[str], bool] | None:
    """Whether a matched text of ``kind`` is allowed; None if nothing of the kind is."""
    given = allow_tests(entries, peppers)
    tests = [test for entry, test in given if any(kind_matches(wanted, kind) for wanted in entry.kinds)]
    return (lambda matched: any(test(matched) for test in tests)) if tests else None


def _overlooking(detector: Detector, tests: Sequence[Callable[[str], bool]]) -> tuple[Detector, ...]:
    def allowed(matched: str) -> bool:
        return any(test(matched) for test in tests)

    find, validate = detector.find, detector.validate
    if find is None:
        return (replace(detector, validate=lambda text: (validate is None or validate(text)) and not allowed(text)),)
    changed = replace(
        detector,
        find=lambda text, start, end: [span for span in find(text, start, end) if not allowed(text[span[0] : span[1]])],
    )
    # Where a stream may be cut is asked of ``find`` too, and a cut inside an allowed value would leave a piece of it
    # that reads as something else. The silent twin still claims it.
    return (changed, replace(detector, base_score=0.0, context_score=0.0))


def _test(entry: AllowEntry, peppers: Mapping[str, bytes]) -> Callable[[str], bool]:
    if entry.values is not None:
        values = frozenset(map(plain_form, entry.values))
        return lambda matched: plain_form(matched) in values
    if entry.digests is not None:
        pepper, digests = peppers.get(entry.digests.pepper_id), frozenset(entry.digests.hmac_sha256)
        return lambda matched: pepper is not None and allow_digest(pepper, matched) in digests
    return _at_domain(entry.email_domains or ())


def _at_domain(domains: Iterable[str]) -> Callable[[str], bool]:
    exact = frozenset(domain for domain in domains if not domain.startswith("*."))
    parents = tuple(domain[1:] for domain in domains if domain.startswith("*."))

    def allowed(matched: str) -> bool:
        domain = matched.rpartition("@")[2].lower() if "@" in matched else ""
        return domain in exact or (bool(parents) and domain.endswith(parents))

    return allowed
