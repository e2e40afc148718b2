import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.dlp.engine import default_engine, iter_kinds
from outpost.dlp.redact import MARKER_MAX_CHARS, MARKER_PREFIX, redact, redact_until_clean
from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode
from outpost.protocol.findings import Finding
from tests.outpost.dlp import samples
from tests.outpost.dlp.disguises import disguised

ENGINE = default_engine()
KINDS = sorted(iter_kinds())


def finding(start, end, kind="a.a", score=0.9):
    return Finding(kind, start, end, score, "test")


@pytest.mark.parametrize(
    ("findings", "redacted"),
    [
        ([], "0123456789"),
        ([finding(2, 4)], "01[REDACTED:a.a]456789"),
        ([finding(0, 10)], "[REDACTED:a.a]"),
        ([finding(6, 8), finding(2, 4)], "01[REDACTED:a.a]45[REDACTED:a.a]89"),
        ([finding(2, 5, score=0.6), finding(4, 8, "b.b")], "01[REDACTED:b.b]89"),
        ([finding(2, 4), finding(4, 6)], "01[REDACTED:a.a]6789"),
        ([finding(2, 8), finding(3, 5, "b.b", 0.5)], "01[REDACTED:a.a]89"),
    ],
)
def test_spans_are_merged_and_replaced(findings, redacted):
    assert redact("0123456789", findings) == redacted


embedded = st.lists(
    st.one_of(
        st.sampled_from(samples.PERSONAL + samples.ALL_SECRETS),
        st.sampled_from(samples.LED),
        st.sampled_from(samples.AROUND),
        st.text(max_size=6, alphabet=st.characters(exclude_categories=["Cs"])),
    ),
    max_size=12,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(embedded, st.sets(st.sampled_from(KINDS)))
def test_redacted_text_is_clean_when_scanned_again(text, kinds):
    redacted = redact_until_clean(text, ENGINE.scan, kinds)
    assert not [f for f in ENGINE.scan(redacted) if f.kind in kinds]


hidden = st.lists(
    st.one_of(
        st.sampled_from(disguised(samples.PERSONAL + samples.ALL_SECRETS, 3)),
        st.sampled_from(samples.AROUND),
        st.text(alphabet="0123456789abXY%\\\\&#;=u'\"+ .\n@", max_size=10),
    ),
    max_size=6,
).map("".join)


@settings(max_examples=150, deadline=None)
@given(hidden)
def test_redacted_text_is_clean_however_the_values_were_written(text):
    redacted = redact_until_clean(text, ENGINE.scan, KINDS)
    assert ENGINE.scan(redacted) == []


@settings(max_examples=300, deadline=None)
@given(embedded)
def test_text_outside_spans_is_unchanged(text):
    findings = ENGINE.scan(text)
    covered = {i for f in findings for i in range(f.start, f.end)}
    outside = [c for i, c in enumerate(text) if i not in covered]
    redacted = redact(text, findings)
    for f in findings:
        redacted = redacted.replace(f"{MARKER_PREFIX}{f.kind}]", "")
    expected = "".join(outside)
    for f in findings:  # the input may hold such markers itself
        expected = expected.replace(f"{MARKER_PREFIX}{f.kind}]", "")
    assert redacted == expected


def test_a_text_that_never_gets_clean_does_not_pass():
    with pytest.raises(CouldNotInspect) as caught:
        redact_until_clean("x", lambda text: [finding(0, 1)], {"a.a"})
    assert caught.value.code is ErrorCode.INSPECTION_UNAVAILABLE


def test_other_kinds_stay():
    text = "alice@example.org 4111111111111111"
    assert redact_until_clean(text, ENGINE.scan, {"pci.pan"}) == "alice@example.org [REDACTED:pci.pan]"


def test_every_kind_fits_the_marker_that_context_looks_for():
    assert max(len(f"{MARKER_PREFIX}{kind}]") for kind in KINDS) <= MARKER_MAX_CHARS
