import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.engine import MAX_FINDINGS, default_engine
from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode
from outpost.protocol.findings import Finding
from outpost.proxy.json_document import Leaf, parse_json, walk
from outpost.proxy.seen import SeenTexts
from outpost.proxy.segments import SEPARATOR, inspect, join, redact_document
from tests.outpost.dlp import samples

ENGINE = default_engine()
SCANNER = SeenTexts(ENGINE)
EMAIL = "erika.mustermann@example.org"


def leaves(*texts):
    return [Leaf(number, (number,), text) for number, text in enumerate(texts)]


@given(st.lists(st.text(max_size=6), max_size=6), st.sampled_from(["", SEPARATOR]), st.data())
def test_pieces_are_exactly_what_a_finding_covers(texts, separator, data):
    segment = join("s", leaves(*texts), separator)
    start = data.draw(st.integers(0, len(segment.text)))
    end = data.draw(st.integers(start, len(segment.text)))

    pieces = list(segment.pieces(Finding("k", start, end, 1.0, "d")))

    covered = {
        (leaf.ordinal, position)
        for leaf, piece_start, piece_end in pieces
        for position in range(piece_start, piece_end)
    }
    wanted = set()
    for leaf, at in zip(segment.leaves, segment.starts, strict=True):
        wanted |= {
            (leaf.ordinal, position - at) for position in range(at, at + len(leaf.text)) if start <= position < end
        }
    assert covered == wanted
    assert [leaf.ordinal for leaf, _, _ in pieces] == sorted({leaf.ordinal for leaf, _, _ in pieces})


@pytest.mark.parametrize("separator", ["", SEPARATOR])
def test_the_text_is_where_the_starts_say(separator):
    segment = join("s", leaves("ab", "", "cde"), separator)

    assert [
        segment.text[at : at + len(leaf.text)] for leaf, at in zip(segment.leaves, segment.starts, strict=True)
    ] == [
        "ab",
        "",
        "cde",
    ]


def test_a_seam_counts_only_what_crosses_it():
    segment = join("s", leaves(f"{EMAIL} 4111 1111", " 1111 1111"), "", seams_only=True)

    assert [item.finding.kind for item in inspect(SCANNER, [segment])] == ["pci.pan"]


def test_no_finding_crosses_the_separator():
    assert inspect(SCANNER, [join("s", leaves("4111 1111 ", "1111 1111"))]) == []


def test_a_value_over_two_places_is_cut_from_both_and_labelled_once():
    document = parse_json(json.dumps(["my card 4111 1111", " 1111 1111 ok"]).encode())
    segments = [join("s", walk(document), "")]

    redacted = redact_document(document, segments, inspect(SCANNER, segments))

    assert json.loads(redacted) == ["my card [REDACTED:pci.pan]", " ok"]


def test_too_many_findings_in_all_are_refused():
    class FindsMany:
        def scan(self, text):
            return [Finding("pii.email", 0, 1, 1.0, "test")] * (MAX_FINDINGS // 2)

    with pytest.raises(CouldNotInspect) as refused:
        inspect(SeenTexts(FindsMany()), [join(str(number), leaves("x")) for number in range(3)])

    assert refused.value.code is ErrorCode.INSPECTION_UNAVAILABLE


SECRETS = [value for name, value in vars(samples).items() if name.isupper() and isinstance(value, str)]
SNIPPETS = [
    *SECRETS,
    EMAIL,
    "4111 1111 1111 1111",
    "123-45-6789",
    "my ssn is 123456789",
    "order no ",
    "[REDACTED:",
    "[REDACTED:pii.ip]",
    "ssn",
    "123456789",
    "call +49 30 901820",
    "phone",
    "030 901820",
    "192.168.7.9",
    "DE89370400440532013000",
    "-----BEGIN ",
]
TEXTS = st.lists(
    st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=5), max_size=3).map(" ".join), min_size=2, max_size=4
)


@given(TEXTS)
def test_one_look_at_everything_sees_what_is_in_any_segment(texts):
    """``inspect`` skips the segments if all of them together are clean; that must not lose a finding."""
    segments = [join(str(number), leaves(text)) for number, text in enumerate(texts)]
    one_by_one = [(number, f) for number, segment in enumerate(segments) for f in ENGINE.scan(segment.text)]

    assert [(item.segment, item.finding) for item in inspect(SeenTexts(ENGINE), segments)] == one_by_one
