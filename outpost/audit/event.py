"""An audit event: what was decided about one exchange, never a word of what was in it.

An event is bounded whatever its caller puts in (long texts are cut, findings beyond ``MAX_FINDINGS`` are
counted per kind), so it can always be encoded and a batch of events has a known worst size. The encoding is
canonical JSON (sorted keys, no spaces, UTF-8, absent instead of null) because its exact bytes are the leaf
of a Merkle tree: ``encode(decode(data)) == data`` for every ``data`` that ``decode`` accepts.
"""

import json
import math
import re
from collections import Counter
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from json.encoder import encode_basestring
from operator import attrgetter
from typing import Final

from outpost.errors import AuditCorrupt
from outpost.protocol.findings import Finding

EVENT_VERSION: Final = 1
MAX_FINDINGS: Final = 64  # individually; ~100 bytes each, so findings stay below 8 KiB of an event
MAX_ATTEMPTS: Final = 10  # as many as a bundle may allow
MAX_COUNTED_KINDS: Final = 32  # the taxonomy has fewer kinds per domain; the rest is counted as OTHER_KINDS
OTHER_KINDS: Final = "other.other"
MAX_KIND_CHARS: Final = 80  # as in the documents of a bundle; detectors' names too
MAX_NAME_CHARS: Final = 128  # ids, models, codes
MAX_TEXT_CHARS: Final = 512  # reason, detail
MAX_EVENT_BYTES: Final = 131_072  # above the worst case of the limits above with six-byte \uXXXX escapes
MAX_INTEGER: Final = 2**53 - 1  # RFC 8259 §6: beyond this JSON readers disagree

KINDS: Final = frozenset({"decision", "completion", "system"})
_LONG_FIELDS: Final = frozenset({"reason", "detail"})
_COUNT_FIELDS: Final = ("input_bytes", "output_bytes", "prompt_tokens", "completion_tokens", "bundle_version", "status")
_AT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """Where something of ``kind`` was found: code points ``[start, end)`` of the ``segment``-th inspected text."""

    kind: str
    start: int
    end: int
    score: float
    detector: str
    tier: int
    segment: int = 0

    def __post_init__(self) -> None:
        _set(self, "kind", _bounded(self.kind, MAX_KIND_CHARS))
        _set(self, "detector", _bounded(self.detector, MAX_KIND_CHARS))
        for name in ("start", "end", "tier", "segment"):
            _require_count(name, getattr(self, name))
        score = float(self.score)
        if not math.isfinite(score):
            raise ValueError("score is not a finite number")
        _set(self, "score", round(score, 4))

    @classmethod
    def of(cls, finding: Finding, segment: int = 0) -> "AuditFinding":
        """The audit form of an inspection's ``finding``."""
        return cls(
            finding.kind, finding.start, finding.end, finding.score, finding.detector, int(finding.tier), segment
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One audit record.

    Attributes:
        kind: ``decision`` (the input pass), ``completion`` (end of the exchange, with the output pass) or
            ``system`` (start, stop, bundle applied or refused, quarantine…).
        at: When it happened, aware; kept in UTC.
        request_id: The exchange; system events use ``system`` or an id of their own.
        findings: At most ``MAX_FINDINGS`` of them; the rest is counted in ``more_findings``.
        more_findings: ``(kind, count)`` of findings that are not listed individually, sorted by kind.
        outcome: ``ok``, ``blocked``, ``client_gone``, ``provider_error``, ``provider_timeout``, ``refused``…
        status: HTTP status that the client got.
        upstream_model: What the provider was asked for, where that is not ``model``, what the caller named.
        attempts: Who was asked and how that ended (``openai/spare rate_limited``), in order, if one of them failed.
        latency_ms: Milliseconds from the request's arrival to this event.

    Raises:
        ValueError: If ``kind`` is unknown, ``at`` is naive or a number is out of range: a bug of the caller.
    """

    kind: str
    at: datetime
    request_id: str
    key_id: str | None = None
    group: str | None = None
    surface: str | None = None
    model: str | None = None
    provider: str | None = None
    upstream_model: str | None = None
    attempts: tuple[str, ...] = ()
    direction: str | None = None
    action: str | None = None
    rule_id: str | None = None
    reason: str | None = None
    code: str | None = None
    findings: tuple[AuditFinding, ...] = ()
    more_findings: tuple[tuple[str, int], ...] = ()
    bundle_version: int | None = None
    outcome: str | None = None
    status: int | None = None
    input_bytes: int = 0
    output_bytes: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency_ms: float | None = None
    detail: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown event kind; one of {sorted(KINDS)}")
        if self.at.tzinfo is None:
            raise ValueError("at is a naive datetime")
        if self.at.tzinfo is not UTC:
            _set(self, "at", self.at.astimezone(UTC))
        _bound_texts(self)
        for value in _counts_of(self):
            if value is not None and (type(value) is not int or not 0 <= value <= MAX_INTEGER):
                _require_counts(self)
        if self.attempts:
            _set(self, "attempts", tuple(_bounded(text, MAX_NAME_CHARS) for text in self.attempts[:MAX_ATTEMPTS]))
        if self.latency_ms is not None:
            if not math.isfinite(self.latency_ms):
                raise ValueError("latency_ms is not a finite number")
            _set(self, "latency_ms", round(float(self.latency_ms), 3))
        if len(self.findings) > MAX_FINDINGS or self.more_findings:
            listed, counted = _bound_findings(self.findings, self.more_findings)
            _set(self, "findings", listed)
            _set(self, "more_findings", counted)


_FIELDS: Final = tuple(field.name for field in fields(AuditEvent))
_FINDING_FIELDS: Final = tuple(field.name for field in fields(AuditFinding))
_TEXT_LIMITS: Final = tuple(
    (f.name, MAX_TEXT_CHARS if f.name in _LONG_FIELDS else MAX_NAME_CHARS)
    for f in fields(AuditEvent)
    if f.type in {str, str | None} and f.name != "kind"
)

_counts_of: Final = attrgetter(*_COUNT_FIELDS)
_texts_of: Final = attrgetter(*(name for name, _ in _TEXT_LIMITS))
_LIMITS: Final = tuple(limit for _, limit in _TEXT_LIMITS)
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
# Two events for every request: their plain members are written here, in a quarter of the time that the encoder takes.
_SORTED: Final = tuple(sorted((*_FIELDS, "v")))
_members_of: Final = attrgetter(*(name for name in _SORTED if name != "v"))
_NAMED: Final = tuple(f'"{name}":' for name in _SORTED if name != "v")
_VERSION: Final = f',"v":{EVENT_VERSION}}}'


def encode(event: AuditEvent) -> bytes:
    """The event's canonical bytes: one line of JSON without the line end, at most ``MAX_EVENT_BYTES``."""
    members = []
    for name, value in zip(_NAMED, _members_of(event), strict=True):
        if value is None:
            continue
        if isinstance(value, str):
            members.append(name + encode_basestring(value))
        elif type(value) is int:
            members.append(f"{name}{value}")
        elif value != ():
            members.append(name + _encode_other(value))
    return ("{" + ",".join(members) + _VERSION).encode()


def _encode_other(value: object) -> str:
    """What is neither a text nor a count."""
    if isinstance(value, datetime):
        return f'"{_format_at(value)}"'
    if isinstance(value, float):
        return float.__repr__(value)  # as the encoder writes it; it is finite
    if not isinstance(value, tuple) or isinstance(value[0], str):  # attempts
        return _ENCODER.encode(value)
    if isinstance(value[0], AuditFinding):
        return _ENCODER.encode([{name: getattr(found, name) for name in _FINDING_FIELDS} for found in value])
    return _ENCODER.encode(dict(value))


def decode(data: bytes) -> AuditEvent:
    """The event whose canonical encoding is exactly ``data``.

    Raises:
        AuditCorrupt: If ``data`` is anything but the canonical encoding of one event of a known version.
    """
    if len(data) > MAX_EVENT_BYTES:
        raise AuditCorrupt("event is larger than any event can be")
    try:
        event = _event_of(json.loads(data.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as err:
        raise AuditCorrupt("event is not an audit event") from err
    if encode(event) != data:
        raise AuditCorrupt("event is not in canonical form")
    return event


_KEYS: Final = frozenset({"v", *_FIELDS})


def require_encoded(data: bytes) -> None:
    """A third of ``decode``, for events that another process of ours has encoded.

    Holds what the log and its readers rely on: one canonical object of this version with fields that events have. What
    each field says is for that process to know; it could claim anything.

    Raises:
        AuditCorrupt: It is none.
    """
    if len(data) > MAX_EVENT_BYTES:
        raise AuditCorrupt("event is larger than any event can be")
    try:
        document = json.loads(data)
        known = document["v"] == EVENT_VERSION and document["kind"] in KINDS and document.keys() <= _KEYS
        is_canonical = known and _ENCODER.encode(document).encode() == data
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as err:
        raise AuditCorrupt("event is not an audit event") from err
    if not is_canonical or _AT.fullmatch(str(document.get("at"))) is None:
        raise AuditCorrupt("event is not in canonical form")


def _event_of(document: object) -> AuditEvent:
    if not isinstance(document, dict):
        raise TypeError("not an object")
    if document.pop("v") != EVENT_VERSION:
        raise ValueError("unknown version")
    if not document.keys() <= set(_FIELDS):
        raise ValueError("unknown field")
    document["at"] = _parse_at(document["at"])
    findings = document.pop("findings", [])
    attempts = document.pop("attempts", [])
    if not isinstance(attempts, list):
        raise TypeError("not a list")
    counted = document.pop("more_findings", {})
    return AuditEvent(
        attempts=tuple(attempts),
        findings=tuple(AuditFinding(**finding) for finding in findings),
        more_findings=tuple(counted.items()),
        **document,
    )


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("duplicate key")
    return document


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _format_at(at: datetime) -> str:
    # isoformat, not strftime: %Y does not pad years below 1000 on every platform
    return at.isoformat("T", "microseconds")[:-6] + "Z"  # without +00:00


def _parse_at(text: object) -> datetime:
    if not isinstance(text, str) or _AT.fullmatch(text) is None:
        raise ValueError("at is not a UTC time")
    return datetime.fromisoformat(text)


def _bound_texts(event: AuditEvent) -> None:
    for value, limit in zip(_texts_of(event), _LIMITS, strict=True):
        if value is not None and not (isinstance(value, str) and len(value) <= limit and value.isascii()):
            break
    else:
        return  # nearly always
    for name, limit in _TEXT_LIMITS:
        value = getattr(event, name)
        if value is not None and (bounded := _bounded(value, limit)) is not value:
            _set(event, name, bounded)


def _bounded(text: object, limit: int) -> str:
    if not isinstance(text, str):
        raise TypeError("not a text")
    if text.isascii():
        return text if len(text) <= limit else text[:limit]
    # Lone surrogates reach us in JSON strings such as a model name; they have no UTF-8 form.
    return text[:limit].encode("utf-8", "replace").decode()


def _require_counts(event: AuditEvent) -> None:
    for name in _COUNT_FIELDS:
        value = getattr(event, name)
        if value is not None:
            _require_count(name, value)


def _require_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_INTEGER:
        raise ValueError(f"{name} is not a count")


def _bound_findings(
    findings: tuple[AuditFinding, ...], counted: tuple[tuple[str, int], ...]
) -> tuple[tuple[AuditFinding, ...], tuple[tuple[str, int], ...]]:
    counts: Counter[str] = Counter()
    for kind, count in counted:
        _require_count("more_findings", count)
        counts[_bounded(kind, MAX_KIND_CHARS)] += count
    counts.update(finding.kind for finding in findings[MAX_FINDINGS:])
    if len(counts) > MAX_COUNTED_KINDS:
        kept = dict(sorted((k, n) for k, n in counts.items() if k != OTHER_KINDS)[: MAX_COUNTED_KINDS - 1])
        kept[OTHER_KINDS] = counts.total() - sum(kept.values())
        counts = Counter(kept)
    return findings[:MAX_FINDINGS], tuple(sorted(counts.items()))


def _set(target: object, name: str, value: object) -> None:
    object.__setattr__(target, name, value)
