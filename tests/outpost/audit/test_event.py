import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outpost.audit.event import (
    MAX_COUNTED_KINDS,
    MAX_EVENT_BYTES,
    MAX_FINDINGS,
    OTHER_KINDS,
    AuditEvent,
    AuditFinding,
    decode,
    encode,
    require_encoded,
)
from outpost.errors import AuditCorrupt
from outpost.protocol.findings import Finding, Tier
from tests.fakes.audit import AT, event

COUNTS = st.integers(0, 2**53 - 1)
TEXTS = st.text(st.characters(exclude_categories=()), max_size=700)  # with lone surrogates
FINDINGS = st.builds(
    AuditFinding, kind=TEXTS, start=COUNTS, end=COUNTS, score=st.floats(0, 1), detector=TEXTS, tier=st.integers(1, 3)
)
EVENTS = st.builds(
    AuditEvent,
    kind=st.sampled_from(["decision", "completion", "system"]),
    at=st.datetimes(timezones=st.just(UTC)),
    request_id=TEXTS,
    model=st.none() | TEXTS,
    reason=st.none() | TEXTS,
    findings=st.lists(FINDINGS, max_size=6).map(tuple),
    more_findings=st.dictionaries(TEXTS, COUNTS.map(lambda n: n % 1000), max_size=5).map(lambda d: tuple(d.items())),
    status=st.none() | st.integers(100, 599),
    input_bytes=COUNTS,
    latency_ms=st.none() | st.floats(0, 1e9),
    detail=st.none() | TEXTS,
    attempts=st.lists(TEXTS, max_size=12).map(tuple),
)


@given(EVENTS)
def test_any_event_survives_encoding(value):
    data = encode(value)
    require_encoded(data)
    assert decode(data) == value
    assert encode(decode(data)) == data
    assert b"\n" not in data


def test_the_bytes_are_pinned():
    assert encode(event(7, status=403, latency_ms=1.23456)) == (
        b'{"action":"BLOCK","at":"2026-03-01T12:00:00.000000Z","findings":[{"detector":"card/luhn","end":20,'
        b'"kind":"pci.pan","score":0.99,"segment":0,"start":4,"tier":1}],"input_bytes":0,"kind":"decision",'
        b'"latency_ms":1.235,"output_bytes":0,"request_id":"request-7","status":403,"surface":"openai_chat","v":1}'
    )


@given(st.binary(max_size=200))
def test_any_bytes_give_an_event_or_the_typed_error(data):
    with pytest.raises(AuditCorrupt):
        decode(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted([*AuditEvent.__slots__, "v", "unknown"])), JSON)
@example("findings", [{}])
@example("findings", 7)
@example("more_findings", {"a": -1})
@example("at", "9999-99-99T00:00:00.000000Z")
def test_any_field_value_gives_an_event_or_the_typed_error(name, value):
    document = {**json.loads(encode(event())), name: value}
    data = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    try:
        decoded = decode(data)
    except AuditCorrupt:
        return
    assert encode(decoded) == data


GOOD = encode(event())


@pytest.mark.parametrize(
    "data",
    {
        "not utf-8": b"\xff",
        "not an object": b"[]",
        "spaces": GOOD.replace(b":", b": ", 1),
        "trailing newline": GOOD + b"\n",
        "duplicate key": GOOD[:-1] + b',"v":1}',
        "unsorted": b'{"v":1,' + GOOD[1:].replace(b',"v":1', b""),
        "unknown version": GOOD.replace(b'"v":1', b'"v":2'),
        "no version": GOOD.replace(b',"v":1', b""),
        "unknown field": GOOD.replace(b',"v":1', b',"v":1,"w":1'),
        "null": GOOD.replace(b',"v":1', b',"status":null,"v":1'),
        "bool as count": GOOD.replace(b'"input_bytes":0', b'"input_bytes":true'),
        "float as count": GOOD.replace(b'"input_bytes":0', b'"input_bytes":0.0'),
        "NaN": GOOD.replace(b"0.99", b"NaN"),
        "other zone": GOOD.replace(b"000000Z", b"000000+00:00"),
        "deep nesting": b"[" * 20_000,
        "too large": b" " * (MAX_EVENT_BYTES + 1),
        "huge integer": GOOD.replace(b'"input_bytes":0', b'"input_bytes":' + b"9" * 5000),
    }.items(),
    ids=lambda item: item[0],
)
def test_anything_but_the_canonical_form_is_refused(data):
    assert data[1] != GOOD
    with pytest.raises(AuditCorrupt):
        decode(data[1])


@given(st.binary(max_size=200))
@example(b"[" * 10_000)
def test_any_bytes_are_taken_for_an_encoded_event_or_give_the_typed_error(data):
    with pytest.raises(AuditCorrupt):
        require_encoded(data)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data + b" ",
        lambda data: data.replace(b"BLOCK", b"\\u0042LOCK"),
        lambda data: data.replace(b'"v":1', b'"v":2'),
        lambda data: data.replace(b'"v":1', b'"v":1,"w":1'),
        lambda data: data.replace(b'"kind":"decision"', b'"kind":"other"'),
        lambda data: data.replace(b"2026-03-01T12", b"yesterday at 12"),
        lambda data: data.replace(b'"action"', b'"zaction"'),
        lambda data: data.replace(b'"input_bytes":0', b'"input_bytes":NaN'),
        lambda data: b'{"at":1,' + data[1:],
        lambda data: data[:-1] + b',"detail":"' + b"a" * MAX_EVENT_BYTES + b'"}',
    ],
)
def test_what_another_process_encoded_wrongly_is_refused(spoil):
    with pytest.raises(AuditCorrupt):
        require_encoded(spoil(encode(event())))


def test_findings_are_bounded_then_counted_per_kind():
    findings = tuple(AuditFinding(f"a.k{i % 3}", i, i + 1, 0.5, "d", 1) for i in range(MAX_FINDINGS + 9))
    bounded = event(findings=findings)
    assert bounded.findings == findings[:MAX_FINDINGS]
    assert bounded.more_findings == (("a.k0", 3), ("a.k1", 3), ("a.k2", 3))


def test_counted_kinds_are_bounded_and_no_finding_is_uncounted():
    findings = tuple(AuditFinding(f"a.k{i}", 0, 1, 0.5, "d", 1) for i in range(MAX_FINDINGS + 100))
    bounded = event(findings=findings)
    assert len(bounded.more_findings) == MAX_COUNTED_KINDS
    assert sum(count for _, count in bounded.more_findings) == 100
    assert OTHER_KINDS in dict(bounded.more_findings)


def test_the_largest_event_is_below_the_limit():
    worst = "\x01" * 10_000  # six bytes each in JSON
    values = dict.fromkeys(
        ("request_id", "key_id", "group", "surface", "model", "provider", "direction", "action", "rule_id", "reason",
         "code", "outcome", "detail"), worst,
    )  # fmt: skip
    findings = tuple(AuditFinding(worst, 2**53 - 1, 2**53 - 1, 0.12345, worst, 3) for _ in range(MAX_FINDINGS))
    more = tuple((f"{i:03}" + worst, 2**40) for i in range(99))
    value = AuditEvent(kind="decision", at=AT, findings=findings, more_findings=more, **values)
    data = encode(value)
    assert len(data) <= MAX_EVENT_BYTES
    assert decode(data) == value


def test_times_are_kept_in_utc():
    local = datetime(2026, 3, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    assert encode(event(at=local)) == encode(event(at=AT))


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "other"},
        {"at": datetime(2026, 3, 1)},  # noqa: DTZ001 - the naive time is the case
        {"input_bytes": -1},
        {"status": 2**53},
        {"latency_ms": float("nan")},
    ],
)
def test_a_callers_bug_is_refused_at_once(changes):
    with pytest.raises(ValueError, match=r"number|count|naive|unknown"):
        event(**changes)


def test_a_finding_keeps_everything_but_text():
    finding = Finding("pci.pan", 3, 19, 0.987654, "card/luhn", Tier.PATTERN)
    assert AuditFinding.of(finding, segment=2) == AuditFinding("pci.pan", 3, 19, 0.9877, "card/luhn", 1, 2)
